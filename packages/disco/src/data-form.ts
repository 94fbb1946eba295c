/**
 * XEP-0004, the part that service discovery and PEP need: the fields of a form, without labels, options and rows.
 *
 *     <x xmlns='jabber:x:data' type='result'>
 *       <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
 *       <field var='os'><value>Mac</value></field>
 *     </x>
 */

import {
  attr,
  type Codec,
  children,
  codec,
  type Element,
  element,
  elements,
  type Field,
  many,
  optional,
  type Scalar,
  ShapeError,
  text,
} from '@xmpp-e2e/xml'

export const DATA_FORM_NAMESPACE = 'jabber:x:data'

/** The name of the field that says what a form is about. */
export const FORM_TYPE = 'FORM_TYPE'

/** §3.1: to be filled in; filled in; what was found; or not to be filled in. */
export type FormKind = 'form' | 'submit' | 'result' | 'cancel'

export interface FormField {
  /** Its attribute `var`; only fields of type `fixed` may lack one. */
  readonly name?: string | undefined
  /** One of §3.3, such as `hidden` or `list-single`; a form that is filled in may leave it out. */
  readonly type?: string | undefined
  /** The texts of its `<value/>` elements, in document order. */
  readonly values: readonly string[]
}

export interface DataForm {
  readonly type: FormKind
  /** In document order, repeated names included; those of rows are not among them. */
  readonly fields: readonly FormField[]
  /** Whether there is a `<reported/>` or `<item/>` (§3.4). Rows are not read, and cannot be written. */
  readonly tabular: boolean
}

const KINDS = ['form', 'submit', 'result', 'cancel'] as const

const formKind: Scalar<FormKind> = {
  expected: 'form, submit, result or cancel',
  decode: (written) => KINDS.find((kind) => kind === written),
  encode: (kind) => kind,
}

const values: Field<readonly string[]> = {
  has: (el) => children(el, 'value').length > 0,
  read: (el, at) =>
    children(el, 'value').map((value, i) => {
      // A hash covers the text alone: two readers must not differ on what else is a value.
      if (elements(value).length > 0)
        throw new ShapeError('invalid', `${at}/value[${i + 1}]`, 'expected text alone')
      return text(value)
    }),
  write: (texts, ns) => ({ children: texts.map((text) => element(ns, 'value', {}, text)) }),
}

const isTabular = (el: Element): boolean => [...children(el, 'reported'), ...children(el, 'item')].length > 0

const rows: Field<boolean> = {
  has: isTabular,
  read: isTabular,
  write(tabular, _ns, at) {
    if (tabular) throw new RangeError(`${at}: rows cannot be written`)
    return {}
  },
}

/**
 * `<x xmlns='jabber:x:data'/>`. Labels, options, instructions and whatever else a form may have are not read.
 * Encoding a tabular form is a `RangeError`.
 */
export const dataForm: Codec<DataForm> = codec(DATA_FORM_NAMESPACE, 'x', {
  type: attr('type', formKind),
  fields: many(
    codec(DATA_FORM_NAMESPACE, 'field', {
      name: optional(attr('var')),
      type: optional(attr('type')),
      values,
    }),
  ),
  tabular: rows,
})

/**
 * What a form is about (XEP-0068): the value of its field `FORM_TYPE`. `undefined` when there is none, when there are
 * several that differ, or when the field is not `hidden`; only in a form that is filled in may it lack a type (§3.2).
 */
export function formType(form: DataForm): string | undefined {
  const fields = form.fields.filter(({ name }) => name === FORM_TYPE)
  const isDeclared = fields.every(
    ({ type }) => type === 'hidden' || (type === undefined && form.type === 'submit'),
  )
  const found = new Set(fields.flatMap((field) => field.values))
  return isDeclared && found.size === 1 ? [...found][0] : undefined
}

/** A form that is filled in: `FORM_TYPE` first, then `values` in their order. */
export function submission(
  formType: string,
  values: Readonly<Record<string, string | readonly string[]>>,
): DataForm {
  const fields: FormField[] = [{ name: FORM_TYPE, type: 'hidden', values: [formType] }]
  for (const [name, value] of Object.entries(values))
    fields.push({ name, values: typeof value === 'string' ? [value] : value })
  return { type: 'submit', fields, tabular: false }
}
