export * from './configuration.ts'
export { helpText } from './help.ts'
export { parseCommandLine, PROGRAM } from './parse.ts'
export { nearest, suggestion } from './words.ts'
