export { finite, u64 } from '@entresol/kit/saved-state'
