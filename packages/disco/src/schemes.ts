export { MAX_ASKED } from './evidence.ts'
export { OTR_FEATURE, SCHEMES, type Scheme, type Support, type SupportEvidence } from './scheme.ts'
export {
  MAX_HEARD,
  type RegressionEvent,
  type SchemeSupport,
  type SchemeSupportOptions,
  schemeSupport,
} from './scheme-support.ts'
