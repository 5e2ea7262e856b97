/** Sums a vitest JSON report. A file that failed before it could run a test counts as one failure. */
export function totals(report) {
  const unstarted = report.testResults.filter(file => file.status === 'failed' && !file.assertionResults.some(test => test.status === 'failed')).length
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unstarted,
    skipped: report.numPendingTests + report.numTodoTests,
    files: report.testResults.length
  }
}
