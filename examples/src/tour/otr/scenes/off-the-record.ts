import type { Scene } from '../../scene.ts'
import type { Talk } from '../talk.ts'
import { exchange } from './agree.ts'
import { forgery } from './deny.ts'
import { goodbye } from './end.ts'

export const offTheRecord: Scene<Talk> = {
  title: 'Off the record, with OTR',
  before:
    'An older scheme, for two people who are both online. It keeps nothing: no keys when the talk is over, and no proof of who said what. The server keeps a message, and waits.',
  after:
    'For most talks OMEMO is the better choice: it reaches people who are offline, on all of their devices. `npm start -- --scheme otr` shows OTR in depth.',
  async play(talk) {
    await exchange(talk)
    await forgery(talk)
    await goodbye(talk)
  },
}
