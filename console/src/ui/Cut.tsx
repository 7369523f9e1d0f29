// A UUID still fits.
const LONG_WORD = /\S{39}/

/** A name or an id as others have given it: one that would push the rest of a table aside is cut. Its title has all of it. */
export function Cut({ text }: { text: string }) {
  if (!LONG_WORD.test(text)) return text
  return (
    <span className="cut" title={text}>
      {text}
    </span>
  )
}
