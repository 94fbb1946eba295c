export {
  type Attrs,
  type AttrsInput,
  type Child,
  child,
  children,
  type Element,
  element,
  elements,
  type Node,
  text,
} from './element.ts'
export { type XmlCondition, XmlError } from './error.ts'
