import icon from "../icon.svg"

export const Logo = () => <img src={icon} width="20" height="20" alt="" />
