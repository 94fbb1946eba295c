/** The servers that tests run on, each by its name. */
import { startEjabberd } from './ejabberd.ts'
import { startProsody } from './prosody.ts'

export const SERVERS = [
  ['prosody', startProsody],
  ['ejabberd', startEjabberd],
] as const
