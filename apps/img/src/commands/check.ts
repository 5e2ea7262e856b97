import type { CheckResult } from '@entresol/block'
import { FORMAT, OUTPUT, QUIET, SHARED, SOURCE_CACHE, badUsage } from '../arguments.ts'
import type { Command } from '../command.ts'
import { cacheMode, json, wantsJson } from '../values.ts'
import { withImage } from '../images.ts'

/** Exit codes of qemu-img check. */
const INTERNAL_ERROR = 1
const CORRUPT = 2
const LEAKS = 3
const UNSUPPORTED = 63

export const checkCommand: Command = {
  name: 'check',
  operands: 'filename',
  summary: 'look for errors in an image, and mend them',
  options: [FORMAT, OUTPUT, { flags: ['-r'], argument: 'leaks|all', help: 'mend leaks, or everything that can be' }, SOURCE_CACHE, QUIET, SHARED],
  async run(given, host) {
    const [path] = given.exactly('image file name')
    const repair = given.choice('-r', ['leaks', 'all'])
    if (repair !== undefined && given.has('-U')) throw badUsage('-r and -U do not go together')
    const cache = cacheMode(given, '-T', 'writeback')
    const asJson = wantsJson(given)
    return withImage(host, path!, { format: given.value('-f'), readOnly: repair === undefined, shared: given.has('-U'), backing: false, check: true, cache }, async (image) => {
      if (image.check === undefined) {
        host.err(`entresol-img: ${path}: images of format ${image.format} cannot be checked\n`)
        return UNSUPPORTED
      }
      let result = await image.check(repair)
      const fixed = { corruptionsFixed: result.corruptionsFixed, leaksFixed: result.leaksFixed }
      const mended = fixed.corruptionsFixed + fixed.leaksFixed > 0
      const quiet = given.has('-q')
      if (!asJson && !quiet) {
        for (const message of result.messages) host.out(`${message}\n`)
        if (mended) host.out(`The following inconsistencies were found and repaired:\n\n    ${fixed.leaksFixed} leaked clusters\n    ${fixed.corruptionsFixed} corruptions\n\nDouble checking the fixed image now...\n`)
      }
      if (mended) result = { ...await image.check(), ...fixed }
      if (asJson) host.out(json(fields(result, path!, image.format)))
      else if (!quiet) host.out(human(result))
      return result.corruptions > 0 ? CORRUPT : result.checkErrors > 0 ? INTERNAL_ERROR : result.leaks > 0 ? LEAKS : 0
    })
  },
}

/** As qemu-img has them: numbers that are zero are left out, but for the errors of the check itself. */
function fields(result: CheckResult, filename: string, format: string): Record<string, unknown> {
  const numbers = {
    'image-end-offset': result.imageEndOffset, 'total-clusters': result.totalClusters, 'allocated-clusters': result.allocatedClusters,
    'fragmented-clusters': result.fragmentedClusters, 'compressed-clusters': result.compressedClusters, 'corruptions': result.corruptions, 'leaks': result.leaks,
    'corruptions-fixed': result.corruptionsFixed, 'leaks-fixed': result.leaksFixed,
  }
  return { ...Object.fromEntries(Object.entries(numbers).filter(([, value]) => value > 0)), 'check-errors': result.checkErrors, filename, format }
}

function human(result: CheckResult): string {
  const share = (part: number, whole: number): string => (part / whole * 100).toFixed(2)
  const { corruptions, leaks, checkErrors, totalClusters, allocatedClusters } = result
  const lines = [
    corruptions + leaks + checkErrors === 0 ? 'No errors were found on the image.\n' : '',
    corruptions > 0 ? `\n${corruptions} errors were found on the image.\nData may be corrupted, or further writes to the image may corrupt it.\n` : '',
    leaks > 0 ? `\n${leaks} leaked clusters were found on the image.\nThis means waste of disk space, but no harm to data.\n` : '',
    checkErrors > 0 ? `\n${checkErrors} internal errors have occurred during the check.\n` : '',
    totalClusters > 0 && allocatedClusters > 0
      ? `${allocatedClusters}/${totalClusters} = ${share(allocatedClusters, totalClusters)}% allocated, ${share(result.fragmentedClusters, allocatedClusters)}% fragmented, ${share(result.compressedClusters, allocatedClusters)}% compressed clusters\n`
      : '',
    result.imageEndOffset > 0 ? `Image end offset: ${result.imageEndOffset}\n` : '',
  ]
  return lines.join('')
}
