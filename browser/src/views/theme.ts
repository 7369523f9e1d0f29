// Colours of a theme, such that texts have the contrast of WCAG AA whatever an author chooses.

import type { Theme } from "../contract.js"

type Rgb = readonly [number, number, number]

/** `#rgb` or `#rrggbb`. */
function read(colour: string | undefined): Rgb | undefined {
  const found = /^#(?:([\da-f])([\da-f])([\da-f])|([\da-f]{2})([\da-f]{2})([\da-f]{2}))$/i.exec(colour ?? "")
  const parts = found?.slice(1).filter(Boolean).map((part) => parseInt(part.length > 1 ? part : part + part, 16))
  return parts as unknown as Rgb | undefined
}

/** Relative luminance. Source: WCAG 2.2. */
function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((part) =>
    part <= 10 ? part / 3_294 : ((part / 255 + 0.055) / 1.055) ** 2.4,
  ) as unknown as Rgb
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

export function contrast(one: Rgb, other: Rgb): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number]
  return (light + 0.05) / (dark + 0.05)
}

const mix = (one: Rgb, other: Rgb, part: number): Rgb =>
  one.map((value, place) => Math.round(value * part + other[place]! * (1 - part))) as unknown as Rgb
const write = (colour: Rgb): string => `rgb(${colour.join()})`

const WHITE: Rgb = [255, 255, 255]
const BLACK: Rgb = [0, 0, 0]
const INK: Rgb = [24, 28, 36]

/** The first colour that can be read on another; either white or black always can. */
const legible = (back: Rgb, ...colours: (Rgb | undefined)[]): Rgb =>
  [...colours, WHITE].find((one) => one && contrast(one, back) >= 4.5) ?? BLACK

export type Palette = Record<"back" | "text" | "quiet" | "line" | "wash" | "accent" | "on" | "link", string>

export function choosePalette(theme: Theme, isDark: boolean): Palette {
  const back = read(theme.background) ?? (isDark ? [32, 36, 44] : WHITE)
  const text = legible(back, read(theme.text), INK)
  const accent = read(theme.accent) ?? (isDark ? [140, 178, 255] : [37, 84, 214])
  const colours = {
    back,
    text,
    quiet: legible(back, mix(text, back, 0.74), text),
    line: mix(text, back, 0.14),
    wash: mix(text, back, 0.06),
    accent,
    on: legible(accent, WHITE, INK),
    link: legible(back, accent, text),
  }
  return Object.fromEntries(Object.entries(colours).map(([name, colour]) => [name, write(colour)])) as Palette
}
