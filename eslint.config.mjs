import { relative } from 'node:path'
import stylistic from '@stylistic/eslint-plugin'
import entresol from './tooling/eslint-config/src/plugin.mjs'
import { workspaces } from './tooling/eslint-config/src/arrows.mjs'
import tseslint from 'typescript-eslint'

const codedErrors = {
  selector: 'ThrowStatement > NewExpression[callee.name=/^(Error|TypeError|RangeError)$/]',
  message: 'Throw a CodedError from @entresol/kit: callers decide by its code.'
}
const namedExports = { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' }
const injected = what => `${what} is injected (interfaces: Clock, RandomSource): two runs of a machine must give the same bytes.`

/** Tags of packages that may read the host's time. */
const hosts = ['board', 'app', 'example', 'tooling', 'testkit']

export default tseslint.config(
  { ignores: ['**/dist/', '**/node_modules/', '**/.cache/', '**/.turbo/', '**/coverage/', '**/generated/', '**/assembly/', '**/fixtures/'] },
  {
    files: ['**/*.{ts,mjs,js}'],
    plugins: { '@stylistic': stylistic },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'eqeqeq': ['error', 'always'],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-debugger': 'error',
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-fallthrough': 'error',
      'no-self-assign': 'error',
      'no-unreachable': 'error',
      '@stylistic/semi': ['error', 'never', { beforeStatementContinuationChars: 'never' }],
      '@stylistic/quotes': ['error', 'single', { avoidEscape: true, allowTemplateLiterals: 'always' }],
      '@stylistic/no-trailing-spaces': 'error',
      '@stylistic/eol-last': 'error',
      '@stylistic/no-tabs': 'error'
    }
  },
  {
    files: ['**/*.ts'],
    plugins: { '@typescript-eslint': tseslint.plugin, entresol },
    languageOptions: { parser: tseslint.parser, parserOptions: { project: ['./tsconfig.check.json'], tsconfigRootDir: import.meta.dirname } },
    rules: {
      'entresol/arrows': 'error',
      'entresol/portable': 'error',
      'no-restricted-syntax': ['error', namedExports],
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-expressions': 'error',
      // Forgotten promises are how a device's failure disappears.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/await-thenable': 'error'
    }
  },
  {
    files: ['packages/*/src/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', namedExports, codedErrors],
      'no-console': 'error'
    }
  },
  {
    // Boards are where the host's clock and randomness come in; everything below is given them.
    files: workspaces(import.meta.dirname).filter(({ tag }) => !hosts.includes(tag)).map(({ folder }) => `${relative(import.meta.dirname, folder)}/src/**/*.ts`),
    rules: {
      'no-restricted-properties': ['error',
        { object: 'Math', property: 'random', message: injected('Randomness') },
        { object: 'Date', property: 'now', message: injected('Time') },
        { object: 'performance', property: 'now', message: injected('Time') }
      ]
    }
  },
  // Tools ask for the default export of their configuration.
  { files: ['*.config.ts', '**/vitest.config.ts'], rules: { 'no-restricted-syntax': 'off' } }
)
