/** "frequency_cap" as "frequency cap": a code of the API as text. */
export const words = (code: string): string => code.replaceAll("_", " ")

/** A text of at most so many characters. */
export const shorten = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)

export const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
