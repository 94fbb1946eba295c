/** What must not outlive this process: others' processes, and directories for a while. */
const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const

/**
 * Calls `clean` when this process ends, by a signal, too; the last one first, so that a program is killed before its
 * directory is removed. Returns how to forget it.
 */
export function atEnd(clean: () => void): () => void {
  const onSignal = (signal: NodeJS.Signals) => {
    forget()
    clean()
    process.kill(process.pid, signal)
  }
  const forget = () => {
    process.off('exit', clean)
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
  process.prependListener('exit', clean)
  for (const signal of SIGNALS) process.prependListener(signal, onSignal)
  return forget
}
