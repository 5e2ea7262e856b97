import { createRegionBuilder } from '@entresol/cpu'
import type { RegionJob, RegionResult } from '@entresol/cpu'
import { receive } from './host-thread.ts'
import type { TranslationThreadOptions } from './translation-thread.ts'

/** Module of a thread that translates: the first message says for which CPU, each other one is a job. */
let build: ((job: RegionJob) => RegionResult) | undefined
const post = receive((message) => {
  if (build) {
    post(build(message as RegionJob))
    return
  }
  const { features, shared } = message as TranslationThreadOptions
  build = createRegionBuilder(features, shared)
})
