import type { FramebufferSource } from '@entresol/interfaces'

/** Code page 437, the character set of a PC's text screen: what the codes below 20h and from 7Fh on look like. */
const LOW = ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼'
const HIGH = '⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ '

const character = (code: number): string => (code < 0x20 ? LOW[code]! : code < 0x7f ? String.fromCharCode(code) : HIGH[code - 0x7f]!)

/** The lines of a text screen without trailing blanks; undefined while the display shows graphics. */
export function screenText(display: FramebufferSource): string[] | undefined {
  const screen = display.text()
  if (!screen) return undefined
  const { columns, rows, cells } = screen
  return Array.from({ length: rows }, (_, row) => {
    let line = ''
    for (let column = 0; column < columns; column++) line += character(cells[(row * columns + column) * 2]!)
    return line.trimEnd()
  })
}
