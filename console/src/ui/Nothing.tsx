/** In place of a value that is not there. */
export const Nothing = () => <span className="soft nothing">–</span>
