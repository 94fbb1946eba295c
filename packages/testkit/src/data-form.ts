/**
 * XEP-0004 data forms, as far as nodes, rooms and archives use them.
 *
 *     <x type='form'>  <field var='FORM_TYPE' type='hidden'><value>…</value></field>
 *                      <field var='…' type='list-single'><value>…</value>  <option><value>…</value></option> …
 *
 * `FORM_TYPE` says whose names the others are (XEP-0068): the same field means something else in another form.
 */

import { children, type Element, element, text } from '@xmpp-e2e/xml'
import { FORM } from './namespaces.ts'

export type FieldType = 'boolean' | 'hidden' | 'list-single' | 'text-single' | 'jid-multi' | 'text-multi'

/** One field. */
export interface Field {
  readonly var: string
  readonly type?: FieldType
  /** Several in fields of the `multi` types only. */
  readonly values: readonly string[]
  /** What the values may be, in fields of type `list-single`. */
  readonly options?: readonly string[]
}

/** `<x type='form'/>` and so on, `FORM_TYPE` first. */
export function formOf(
  type: 'form' | 'result' | 'submit',
  formType: string,
  fields: readonly Field[],
): Element {
  const hidden: Field = { var: 'FORM_TYPE', type: 'hidden', values: [formType] }
  return element(
    FORM,
    'x',
    { type },
    [hidden, ...fields].map((field) =>
      element(
        FORM,
        'field',
        { var: field.var, type: field.type },
        field.values.map((value) => element(FORM, 'value', {}, value)),
        (field.options ?? []).map((option) =>
          element(FORM, 'option', {}, element(FORM, 'value', {}, option)),
        ),
      ),
    ),
  )
}

/** The values of a submitted form by field; `undefined` when the form is of another type. */
export function readForm(
  form: Element,
  formType: string,
): ReadonlyMap<string, readonly string[]> | undefined {
  const values = new Map(
    children(form, 'field').map((field) => [field.attrs.var ?? '', children(field, 'value').map(text)]),
  )
  const [found] = values.get('FORM_TYPE') ?? []
  if (form.attrs.type !== 'submit' || found !== formType) return undefined
  values.delete('FORM_TYPE')
  return values
}

/** The only value of a field; `undefined` when it is absent or has several. */
export function single(values: ReadonlyMap<string, readonly string[]>, name: string): string | undefined {
  const found = values.get(name)
  return found?.length === 1 ? found[0] : undefined
}
