/** An error whose `code` is part of the contract; the message is one line for a person. The only kind of error Entresol throws on purpose. */
export class CodedError extends Error {
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CodedError'
    this.code = code
  }
}
