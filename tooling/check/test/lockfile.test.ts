import { describe, expect, test } from 'vitest'
import { absentOptional, namedHosts, platformOf } from '../src/lockfile.ts'

test('an entry resolved from a URL is reported, a workspace link is not', () => {
  const packages = { 'node_modules/a': { version: '1.0.0', resolved: 'https://example.org/a.tgz' }, 'node_modules/b': { resolved: 'packages/b', link: true } }
  expect(namedHosts(packages)).toHaveLength(1)
})

describe('native parts', () => {
  const owner = { version: '1.0.0', dev: true, optionalDependencies: { '@x/linux-64': '2.0.0', '@x/windows-64': '2.0.0', loose: '^1.0.0' } }

  test('without an entry are found, with the entry they need', () => {
    expect([...absentOptional({ 'node_modules/x': owner, 'node_modules/@x/linux-64': { version: '2.0.0' } })])
      .toEqual([['node_modules/@x/windows-64', { version: '2.0.0', os: ['win32'], cpu: ['x64'], dev: true, optional: true }]])
  })

  test('in the folder of their owner count as present', () => {
    const nested = 'node_modules/y/node_modules/x'
    const packages = { [nested]: owner, [`${nested}/node_modules/@x/linux-64`]: {}, 'node_modules/y/node_modules/@x/windows-64': {} }
    expect([...absentOptional(packages).keys()]).toEqual([])
  })

  test.each([
    ['@p/binding-linux-arm64-musl', { os: ['linux'], cpu: ['arm64'], libc: ['musl'] }],
    ['@p/binding-linux-arm-gnueabihf', { os: ['linux'], cpu: ['arm'], libc: ['glibc'] }],
    ['@p/binding-win32-x64-msvc', { os: ['win32'], cpu: ['x64'] }],
    ['@p/darwin-64', { os: ['darwin'], cpu: ['x64'] }],
    ['@p/binding-wasm32-wasi', { cpu: ['wasm32'] }]
  ])('%s is for that platform', (name, platform) => {
    expect(platformOf(name)).toEqual(platform)
  })
})
