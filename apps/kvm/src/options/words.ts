import { CodedError, suggestion } from '@entresol/kit'

export { nearest, suggestion } from '@entresol/kit'

/** A mistake on the command line: one line that starts with the option as it was typed. */
export function badOption(option: string, what: string): CodedError {
  return new CodedError('bad-option', `${option}: ${what}`)
}

/** `value` when it is one of `words`; otherwise a mistake that names the nearest. */
export function oneOf<Word extends string>(option: string, what: string, value: string, words: readonly Word[]): Word {
  const found = words.find(word => word === value)
  if (found === undefined) throw badOption(option, `unknown ${what} '${value}'${suggestion(value, words)}`)
  return found
}
