// Who may import whom. Each rule's comment says what to do instead. `npm run imports` checks the tree
// (`npm run imports -- --output-type err-long` prints the advice too); test/scripts/import-rules.test.ts feeds each rule an import
// that it must catch.

/** `from` may import what matches one of `to`, and nothing else. */
const only = ({ name, comment, from, to, except = [] }) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, ...(except.length > 0 ? { pathNot: except } : {}) },
  to: { pathNot: to },
})

/** `from` may import anything but what matches `to`. */
const never = ({ name, comment, from, to, fromNot = [], toNot = [] }) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, ...(fromNot.length > 0 ? { pathNot: fromNot } : {}) },
  to: { path: to, ...(toNot.length > 0 ? { pathNot: toNot } : {}) },
})

/** What knows the whole hub: its start, its composition, its settings. */
const wholeHub = ['^server/[^/]+\\.ts$', '^server/(compose|settings)/']

const library = (...names) => names.map((name) => `(^|/)node_modules/${name}(/|$)`)

export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment:
        'Two files that need each other are one file, or a third one that both import: move what they share there. (Types alone may point back.)',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'every-import-resolves',
      comment: 'Nothing is found there. Write the path with its ending (./place.ts), or add the package to package.json.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'shipped-code-needs-no-dev-package',
      comment: 'The image holds no devDependencies. Move the package to dependencies, with a sentence in the commit on what it saves.',
      severity: 'error',
      from: { path: '^(server|shared|client/sdk|examples)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    never({
      name: 'nothing-imports-test',
      comment: 'Code does not depend on its tests. Move what you need out of test/ into the folder that it is about.',
      from: '^(server|shared|client|examples|scripts)/',
      to: '^test/',
    }),
    never({
      name: 'nothing-imports-scripts',
      comment: 'Scripts call the product, not the reverse. Move what you need into the folder that it is about.',
      from: '^(server|shared|client|examples)/',
      to: '^scripts/',
    }),
    only({
      name: 'protocol-imports-zod-only',
      comment: 'shared/protocol is the wire, for every language to copy. What computes belongs into shared/rules or into the server.',
      from: '^shared/protocol/',
      to: ['^shared/protocol/', ...library('zod')],
    }),
    only({
      name: 'shared-imports-zod-only',
      comment:
        'shared runs in the hub, in Node clients and in browsers. Hand in what needs a library, a Node module or the world as an argument.',
      from: '^shared/',
      except: ['^shared/protocol/'],
      to: ['^shared/', ...library('zod')],
    }),
    only({
      name: 'core-imports-shared-only',
      comment:
        'core is pure: rules without a world (crypto to hash, never for chance). Put what reads the clock, the network or a store into a feature, and hand core its values.',
      from: '^server/core/',
      to: ['^server/core/', '^shared/', '^crypto$', ...library('zod')],
    }),
    never({
      name: 'pipeline-knows-ports-only',
      comment:
        'The road is the same for every feature. Declare a port (an interface) in server/pipeline and let server/compose hand in what serves it.',
      from: '^server/pipeline/',
      to: ['^server/(features|gateway|database)/', ...wholeHub, ...library('express', 'socket\\.io')],
    }),
    never({
      name: 'a-feature-knows-no-gateway-or-database',
      comment:
        'A feature exports tables (commands, routes, reactors, models) which server/compose gives to the gateway; it gets settings and ports as arguments.',
      from: '^server/features/',
      to: ['^server/(gateway|database)/', ...wholeHub, ...library('socket\\.io')],
    }),
    {
      name: 'a-feature-through-its-index-only',
      comment: "Another feature's files are its own business. Import its index.ts, and export there what others may use.",
      severity: 'error',
      from: { path: '^server/features/([^/]+)/' },
      to: { path: '^server/features/[^/]+/', pathNot: ['^server/features/$1/', '^server/features/[^/]+/index\\.ts$'] },
    },
    never({
      name: 'the-gateway-knows-no-feature',
      comment: 'The gateway serves tables. Add a row to the table that server/compose hands to it; no feature is named in server/gateway.',
      from: '^server/gateway/',
      to: ['^server/(features|database)/', ...wholeHub],
    }),
    never({
      name: 'the-database-knows-no-feature',
      comment:
        'The database serves documents, whatever they mean. Models belong to their feature; migrations name collections, not models.',
      from: '^server/database/',
      to: ['^server/(features|gateway|pipeline)/', ...wholeHub],
    }),
    never({
      name: 'the-embedded-database-stands-alone',
      comment: 'It is a process of its own that speaks the wire protocol. What it shares with the hub is the socket, and no code.',
      from: '^server/database/embedded/',
      to: ['^(server|shared|client)/', ...library('mongoose')],
      toNot: ['^server/database/embedded/'],
    }),
    never({
      name: 'only-main-composes',
      comment: 'server/compose builds things, main.ts and run-hub.ts start them; nobody imports them. Take what you need as an argument.',
      from: '^(server|shared|client|examples)/',
      fromNot: ['^server/(main|run-hub)\\.ts$', '^server/compose/'],
      to: ['^server/(main|run-hub)\\.ts$', '^server/compose/'],
    }),
    never({
      name: 'the-server-knows-no-client',
      comment: 'Hub and clients share the protocol and its rules. Move what both need into shared.',
      from: '^(server|shared)/',
      to: '^(client|examples)/',
    }),
    only({
      name: 'the-sdk-imports-shared-and-socket-io-client',
      comment:
        'The sdk runs in Node and in browsers, with few bytes. Take storage, timers and sockets as options; share rules through shared/.',
      from: '^client/sdk/',
      except: ['^client/sdk/file-storage\\.ts$'],
      to: ['^client/sdk/', '^shared/', ...library('socket\\.io-client', 'zod')],
    }),
    never({
      name: 'what-needs-node-stands-apart',
      comment: 'It needs Node. Who runs in Node imports it through client/sdk/node.ts, so that browsers never load it.',
      from: '^client/(sdk|console)/',
      fromNot: ['^client/sdk/node\\.ts$'],
      to: '^client/sdk/(file-storage|give-up|node)\\.ts$',
    }),
    only({
      name: 'the-console-imports-the-sdk-and-preact',
      comment:
        'The console is one more client: it reaches the hub through client/sdk. Rules that it shares with the hub are in shared/rules.',
      from: '^client/console/',
      except: ['^client/console/vite\\.config\\.ts$'],
      to: ['^client/(console|sdk)/', '^shared/', ...library('preact', '@preact/[^/]+', 'marked')],
    }),
    never({
      name: 'examples-import-the-sdk-only',
      comment: 'An example does what any user could do, with the sdk and libraries. What is missing in the sdk is added there.',
      from: '^examples/',
      to: '^(server|shared|client)/',
      toNot: ['^client/sdk/'],
    }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|\\.node)/' },
    // For all rules but the cycles types count too: a type that points the wrong way is a plan that points the wrong way.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
}
