/** A text with its names in code, between backticks as the API writes them. */
export const Prose = ({ text }: { text: string }) =>
  text.split("`").map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))
