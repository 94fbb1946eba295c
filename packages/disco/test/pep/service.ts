/** A PEP service for one account, as far as publishing needs it, that is as limited as it is told to be. */
import { type Element, elements } from '@xmpp-e2e/xml'
import { dataForm } from '../../src/data-form.ts'
import type { NodeConfig } from '../../src/pep.ts'
import { type Answer, configured, error, FEATURES } from './connection.ts'

export interface Limits {
  /** Whether options are honoured, and said to be; otherwise they are ignored. */
  readonly options: boolean
  /** Fields that options may have; others are refused. */
  readonly optionFields: readonly (keyof NodeConfig)[]
  readonly autoCreate: boolean
  /** What becomes of a configuration in a request to create. */
  readonly create: 'obeyed' | 'ignored' | 'refused'
  /** What becomes of a changed access model. */
  readonly access: 'obeyed' | 'ignored' | 'refused'
  /** The most items it keeps at a node. */
  readonly room: number
  /** Whether it knows `max`. */
  readonly max: boolean
}

export interface Node {
  config: NodeConfig
  /** The IDs that it keeps, and the access model under which each was published. */
  readonly items: Map<string, NodeConfig['access']>
}

export const STANDARD: NodeConfig = {
  access: 'presence',
  persist: true,
  maxItems: 1,
  sendLast: 'on_sub_and_presence',
}

const FIELDS: Readonly<Record<string, keyof NodeConfig>> = {
  'pubsub#access_model': 'access',
  'pubsub#persist_items': 'persist',
  'pubsub#max_items': 'maxItems',
  'pubsub#send_last_published_item': 'sendLast',
}

function fieldsOf(el: Element | undefined): NodeConfig | undefined {
  const form = el && elements(el)[0]
  if (!form) return undefined
  const entries = dataForm.decode(form).fields.flatMap(({ name = '', values: [value = ''] }) => {
    const key = FIELDS[name]
    if (!key) return []
    return [
      [
        key,
        key === 'persist' ? value === 'true' : key === 'maxItems' && value !== 'max' ? Number(value) : value,
      ],
    ]
  })
  return Object.fromEntries(entries)
}

const MISSING = error('cancel', 'item-not-found')
const REFUSED = error('modify', 'not-acceptable')
const EXISTS = error('cancel', 'conflict')

/** Answers requests about `nodes`, and changes them. */
export function service(limits: Limits, nodes: Map<string, Node>): (iq: Element) => Answer {
  const isAcceptable = ({ maxItems = 1 }: NodeConfig) =>
    maxItems === 'max' ? limits.max : maxItems <= limits.room

  function publish(name: string, id: string, options: NodeConfig | undefined): Answer {
    const wanted = limits.options ? options : undefined
    const isUnknown = (key: string) => !limits.optionFields.some((known) => known === key)
    if (Object.keys(wanted ?? {}).some(isUnknown)) return error('wait', 'resource-constraint')
    let node = nodes.get(name)
    if (!node) {
      if (!limits.autoCreate) return MISSING
      if (!isAcceptable(wanted ?? {})) return REFUSED
      node = { config: { ...STANDARD, ...wanted }, items: new Map() }
      nodes.set(name, node)
    }
    const { config, items } = node
    if (Object.entries(wanted ?? {}).some(([key, value]) => config[key as keyof NodeConfig] !== value))
      return error('cancel', 'conflict', 'precondition-not-met')
    items.delete(id)
    items.set(id, config.access)
    const room = config.maxItems === 'max' ? limits.room : (config.maxItems ?? 1)
    for (const old of [...items.keys()].slice(0, -room)) items.delete(old)
    return ''
  }

  function create(name: string, wanted: NodeConfig | undefined): Answer {
    if (nodes.has(name)) return EXISTS
    const heeded = limits.create === 'ignored' ? undefined : wanted
    if (heeded && (limits.create === 'refused' || !isAcceptable(heeded))) return REFUSED
    nodes.set(name, { config: { ...STANDARD, ...heeded }, items: new Map() })
    return ''
  }

  function configure(name: string, wanted: NodeConfig | undefined): Answer {
    const node = nodes.get(name)
    if (!node) return MISSING
    if (!wanted) return configured(name, node.config)
    const { access, ...others } = wanted
    if (!isAcceptable(wanted) || (access && limits.access === 'refused')) return REFUSED
    const heeded = access && limits.access === 'obeyed' ? { access } : {}
    node.config = { ...node.config, ...others, ...heeded }
    return ''
  }

  return (iq) => {
    const [payload] = elements(iq)
    if (payload?.name === 'query') return FEATURES(...(limits.options ? ['publish-options'] : []))
    const [action, more] = payload ? elements(payload) : []
    const node = action?.attrs.node ?? ''
    if (action?.name === 'publish') return publish(node, elements(action)[0]?.attrs.id ?? '', fieldsOf(more))
    if (action?.name === 'create') return create(node, fieldsOf(more))
    if (action?.name === 'configure') return configure(node, fieldsOf(action))
    throw new Error('the service was asked for something else')
  }
}
