import { CodedError } from '@entresol/kit'

export interface HttpFileOptions {
  /** Default: the host's fetch. */
  readonly fetch?: typeof fetch
  /** A server that sends nothing for so long is asked again. Default 30,000. */
  readonly timeoutMilliseconds?: number
}

/** Pauses in milliseconds before a request that failed is tried again; as many tries as there are pauses, and one. */
const PAUSES = [200, 1000]

/** A failure that another try may mend. */
class Passing extends CodedError {}

/**
 * One version of a file on a web server: RFC 9110, 14 (range requests). Its ETag and Last-Modified (8.8), and its size, must stay what they
 * were when it was opened, as far as the server tells them; across origins a browser shows ETag and Content-Range only if the server exposes them.
 * Conditions are not sent: If-Match would need the server's permission across origins.
 */
export class HttpFile {
  readonly url: string
  readonly #fetch: typeof fetch
  readonly #timeout: number
  readonly #closing = new AbortController()
  #size = -1
  #etag: string | null = null
  #modified: string | null = null

  private constructor(url: string, options: HttpFileOptions) {
    this.url = url
    this.#fetch = options.fetch ?? fetch
    this.#timeout = options.timeoutMilliseconds ?? 30_000
  }

  static async open(url: string, options: HttpFileOptions): Promise<HttpFile> {
    const file = new HttpFile(url, options)
    await file.#retrying(() => file.#identify())
    return file
  }

  get size(): number {
    return this.#size
  }

  /** Bytes of the file; the range must lie within it. */
  fetch(offset: number, length: number): Promise<Uint8Array> {
    return this.#retrying(() => this.#range(offset, length))
  }

  close(): void {
    this.#closing.abort()
  }

  async #identify(): Promise<void> {
    const response = await this.#patiently((patience) => this.#ask(patience, 'GET', { range: 'bytes=0-0' }))
    void response.body?.cancel().catch(() => {})
    const total = /^bytes (?:0-0|\*)\/(\d+)$/.exec(response.headers.get('content-range') ?? '')
    // An empty file has no first byte.
    if (response.status !== 416 || Number(total?.[1] ?? -1) !== 0) this.#mustBePartial(response)
    this.#size = total ? Number(total[1]) : await this.#sizeByHead()
    if (!Number.isSafeInteger(this.#size)) throw this.#error('io-error', 'the server does not tell the size of the file')
    this.#etag = response.headers.get('etag')
    this.#modified = response.headers.get('last-modified')
  }

  /** Content-Length is shown across origins where Content-Range is not. */
  async #sizeByHead(): Promise<number> {
    const response = await this.#patiently((patience) => this.#ask(patience, 'HEAD', {}))
    return Number(response.headers.get('content-length') ?? NaN)
  }

  #range(offset: number, length: number): Promise<Uint8Array> {
    return this.#patiently((patience) => this.#rangeWithin(patience, offset, length))
  }

  async #rangeWithin(patience: Patience, offset: number, length: number): Promise<Uint8Array> {
    const response = await this.#ask(patience, 'GET', { range: `bytes=${offset}-${offset + length - 1}` })
    try {
      if (response.status === 416) throw this.#error('changed', 'the file became shorter')
      this.#mustBePartial(response)
      const range = response.headers.get('content-range')
      const same = (name: string, before: string | null): boolean => response.headers.get(name) === before
      if (!same('etag', this.#etag) || !same('last-modified', this.#modified)) throw this.#error('changed', 'the file changed while it was in use')
      if (range !== null && range !== `bytes ${offset}-${offset + length - 1}/${this.#size}`) {
        throw this.#error('changed', `the server answers with another range or size: ${range.slice(0, 100)}`)
      }
      return await this.#body(patience, response, length)
    } catch (error) {
      void response.body?.cancel().catch(() => {})
      throw error
    }
  }

  async #body(patience: Patience, response: Response, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    let done = 0
    const reader = response.body?.getReader()
    for (;;) {
      const { value } = await reader?.read() ?? {}
      patience.renew()
      if (value === undefined) break
      if (done + value.length > length) {
        void reader?.cancel().catch(() => {})
        throw this.#error('io-error', 'the server sends more than was asked for')
      }
      bytes.set(value, done)
      done += value.length
    }
    if (done < length) throw new Passing('io-error', `${this.url}: the answer broke off`)
    return bytes
  }

  #mustBePartial(response: Response): void {
    const { status } = response
    if (status === 200) throw this.#error('no-ranges', 'the server does not support range requests')
    if (status !== 206) throw this.#error('file-error', status === 404 ? 'no such file' : `the server answers ${status} ${response.statusText}`.trimEnd())
    if ((response.headers.get('content-encoding') ?? 'identity') !== 'identity') throw this.#error('no-ranges', 'the server compresses ranges')
  }

  async #patiently<Result>(work: (patience: Patience) => Promise<Result>): Promise<Result> {
    const patience = new Patience(this.#timeout)
    try {
      return await work(patience)
    } catch (error) {
      throw patience.signal.aborted ? new Passing('io-error', `${this.url}: the server does not answer`) : error
    } finally {
      patience.end()
    }
  }

  async #ask(patience: Patience, method: string, headers: Record<string, string>): Promise<Response> {
    const signal = AbortSignal.any([this.#closing.signal, patience.signal])
    const response = await this.#fetch(this.url, { method, headers, signal, cache: 'no-store' })
    if (response.status === 429 || response.status >= 500) {
      void response.body?.cancel().catch(() => {})
      throw new Passing('io-error', `${this.url}: the server answers ${response.status} ${response.statusText}`.trimEnd())
    }
    return response
  }

  async #retrying<Result>(work: () => Promise<Result>): Promise<Result> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        if (this.#closing.signal.aborted) throw new CodedError('closed', 'the file is closed')
        if (error instanceof CodedError && !(error instanceof Passing)) throw error
        if (attempt === PAUSES.length) throw error instanceof CodedError ? error : this.#error('io-error', reason(error), error)
        await new Promise((resolve) => setTimeout(resolve, PAUSES[attempt]))
      }
    }
  }

  #error(code: string, what: string, cause?: unknown): CodedError {
    return new CodedError(code, `${this.url}: ${what}`, { cause })
  }
}

/** Aborts its signal when it is not renewed in time. */
class Patience {
  readonly #controller = new AbortController()
  readonly #milliseconds: number
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds
    this.renew()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  renew(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#controller.abort(), this.#milliseconds)
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

/** What fetch's failure was about: in Node the cause says it. */
function reason(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error && cause.message !== '' ? cause.message : message
}
