export * from '@entresol/kit/saved-state'
