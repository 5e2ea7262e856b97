import type { Row } from './row.ts'

export const INSTRUCTIONS: readonly Row[] = []
