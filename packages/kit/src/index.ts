export { CodedError } from './errors.ts'
export { nearest, suggestion } from './words.ts'
