/** "frequency_cap" as "frequency cap": a code of the API as text. */
export const words = (code: string): string => code.replaceAll("_", " ")

export const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
