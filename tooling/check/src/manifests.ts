// What every package.json promises: a known tag, dependencies along the arrows, exact versions, no cycle, and what a published package needs.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { allowedAnywhere, arrows, refusal, workspaces } from '@entresol/eslint-config/arrows'
import type { Workspace } from '@entresol/eslint-config/arrows'

type Versions = Record<string, string>

/** The part of a package.json these checks read. */
export interface Manifest {
  name: string
  version: string
  private?: boolean
  license?: string
  description?: string
  exports?: Record<string, unknown>
  bin?: Record<string, string>
  dependencies?: Versions
  devDependencies?: Versions
  optionalDependencies?: Versions
}

/** Packages that go to the registry. */
export function publishable(root: string): Workspace[] {
  return workspaces(root).filter(workspace => workspace.manifest.private !== true)
}

/** Problems of one package.json, as sentences. */
export function manifestProblems(own: Pick<Workspace, 'name' | 'tag'> & { manifest: Manifest }, all: readonly Pick<Workspace, 'name' | 'tag'>[]): string[] {
  const problems: string[] = []
  const { manifest } = own
  for (const [kind, inTest] of [['dependencies', false], ['devDependencies', true]] as const) {
    for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
      if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) problems.push(`${kind}: ${name} is not pinned exactly (${version})`)
      const target = all.find(workspace => workspace.name === name)
      const reason = target && refusal(own.tag, target.tag, inTest)
      if (reason !== undefined) problems.push(`${kind}: ${name}: ${reason}`)
    }
  }
  if (manifest.private === true) return problems
  if (manifest.license !== 'MIT') problems.push('licence is not MIT')
  if (!manifest.description) problems.push('no description')
  if (manifest.exports === undefined) problems.push('no exports: every file would be public')
  else if (manifest.bin === undefined && manifest.exports['./internal/*'] !== null) problems.push('exports does not close ./internal/*')
  return problems
}

/** Names on a cycle of dependencies, development dependencies included, or undefined. */
export function cycle(manifests: readonly Manifest[]): string[] | undefined {
  const edges = new Map(manifests.map(manifest => [manifest.name, Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })]))
  const done = new Set<string>()
  const visit = (name: string, path: string[]): string[] | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
    if (done.has(name)) return undefined
    for (const next of edges.get(name) ?? []) {
      const found = edges.has(next) ? visit(next, [...path, name]) : undefined
      if (found) return found
    }
    done.add(name)
    return undefined
  }
  for (const name of edges.keys()) {
    const found = visit(name, [])
    if (found) return found
  }
  return undefined
}

/** Problems of all workspaces, each line naming its package. */
export function checkManifests(root: string): string[] {
  const all = workspaces(root)
  const problems = all.flatMap(own => [...manifestProblems(own, all), ...folderProblems(root, own)].map(problem => `${own.name}: ${problem}`))
  const circle = cycle(all.map(workspace => workspace.manifest as Manifest))
  if (circle) problems.push(`dependencies form a cycle: ${circle.join(' → ')}`)
  const turbo = JSON.parse(readFileSync(join(root, 'turbo.json'), 'utf8')) as { boundaries?: { tags?: TurboTags } }
  return [...problems, ...boundaryProblems(turbo.boundaries?.tags ?? {})]
}

/** `boundaries.tags` of turbo.json. */
export type TurboTags = Record<string, { dependencies?: { allow?: readonly string[] } }>

/** Where turbo.json's copy of the table of arrows says something else than the table. */
export function boundaryProblems(tags: TurboTags): string[] {
  const sorted = (list: readonly string[]): string => [...list].sort().join(', ')
  return [...new Set([...Object.keys(arrows), ...Object.keys(tags)])].flatMap(tag => {
    if (tags[tag] === undefined) return [`turbo.json: boundaries have no tag ${tag}`]
    if (arrows[tag] === undefined) return [`turbo.json: boundaries have the tag ${tag}, which the table of arrows lacks`]
    const [there, here] = [sorted(tags[tag].dependencies?.allow ?? []), sorted(allowedAnywhere(tag))]
    return there === here ? [] : [`turbo.json: ${tag} may depend on ${there || 'nothing'}; by the table of arrows on ${here || 'nothing'}`]
  })
}

function folderProblems(root: string, { folder, manifest, name, tag }: Workspace): string[] {
  const problems: string[] = []
  const turbo = join(folder, 'turbo.json')
  if (!existsSync(turbo)) problems.push('no turbo.json with its tag')
  else if ((JSON.parse(readFileSync(turbo, 'utf8')) as { tags?: string[] }).tags?.[0] !== tag) problems.push(`turbo.json's tag is not ${tag}`)
  if (existsSync(join(folder, 'tsconfig.json')) && !references(join(root, 'tsconfig.json')).some(path => join(root, path) === folder)) problems.push('the root tsconfig.json does not reference it')
  if (manifest.private === true) return problems
  if (!existsSync(join(folder, 'README.md'))) problems.push('no README.md')
  if (manifest.version === '0.0.0' && !changesets(root).some(text => text.includes(`'${name}'`) || text.includes(`"${name}"`))) problems.push('never released and no changeset')
  const referenced = references(join(folder, 'tsconfig.json')).map(path => relative(root, join(folder, path)))
  const needed = workspaces(root).filter(other => (manifest as Manifest).dependencies?.[other.name] !== undefined).map(other => relative(root, other.folder))
  for (const path of needed) if (!referenced.includes(path)) problems.push(`tsconfig.json does not reference ${path}`)
  return problems
}

function references(file: string): string[] {
  if (!existsSync(file)) return []
  const { references } = JSON.parse(readFileSync(file, 'utf8')) as { references?: { path: string }[] }
  return (references ?? []).map(reference => reference.path)
}

function changesets(root: string): string[] {
  const folder = join(root, '.changeset')
  return readdirSync(folder).filter(name => name.endsWith('.md') && name !== 'README.md').map(name => readFileSync(join(folder, name), 'utf8'))
}
