import { testDatabase } from '../harness/hub.ts'
import { featureStoreSuite } from './stores.suite.ts'

featureStoreSuite('the embedded database', testDatabase)
