export * from '@xmpp-e2e/testkit'
