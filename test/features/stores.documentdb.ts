// What the features keep, and the search of the trail, on the server that MONGODB_URI names: `npm test` runs the same on the embedded one.
import './audit/search.test.ts'
import { testDatabase } from '../harness/hub.ts'
import { featureStoreSuite } from './stores.suite.ts'

if (!process.env['MONGODB_URI']) throw new Error('MONGODB_URI names the server to run on')
featureStoreSuite('MONGODB_URI', testDatabase)
