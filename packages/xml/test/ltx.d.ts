declare module 'ltx' {
  export class Element {
    constructor(name: string, attrs?: Record<string, unknown> | string)
    name: string
    attrs: Record<string, unknown>
    children: unknown[]
    parent: Element | null
    c(name: string, attrs?: Record<string, unknown>): Element
    cnode<T>(child: T): T
    t(text: unknown): Element
    getNS(): string | undefined
    toString(): string
  }
  export function createElement(name: string, attrs: Record<string, unknown>, ...children: unknown[]): Element
  export function parse(xml: string): Element
}
