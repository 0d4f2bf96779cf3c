// Shows /openapi.json. Only text is ever set, so nothing that stands in the document can run.
const METHODS = ['get', 'post', 'put', 'patch', 'delete']
const place = document.getElementById('routes')

try {
  const response = await fetch('/openapi.json')
  if (!response.ok) throw new Error(`The hub answered ${response.status}.`)
  const api = await response.json()
  place.replaceChildren(...api.tags.map(({ name }) => group(name, api)), problems(api))
} catch (error) {
  place.replaceChildren(element('p', `The document could not be read: ${error.message} Reload the page.`))
}

function group(tag, api) {
  const operations = Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => (item[method] ? { ...item[method], name: `${method.toUpperCase()} ${path}` } : [])),
  )
  return element('section', element('h2', tag), ...operations.filter(({ tags }) => tags.includes(tag)).map((one) => operation(one, api)))
}

function operation({ name, summary, description, security, parameters, requestBody, responses }, api) {
  const access = security.length === 0 || security.some((one) => Object.keys(one).length === 0) ? 'Anyone may ask.' : 'Asks who you are.'
  return element(
    'details',
    element('summary', element('code', name), ` ${summary}`),
    element('p', [access, description].filter(Boolean).join(' ')),
    parameterTable(parameters),
    ...shape('Body', requestBody?.content, api),
    ...shape('Answer', Object.values(responses)[0].content, api),
    statusTable(Object.entries(responses).map(([status, answer]) => [status, lookUp(api, answer)])),
  )
}

function parameterTable(parameters) {
  const rows = parameters.map(({ name, in: where, required, description, schema }) =>
    row('td', name, where + (required ? ', required' : ''), description ?? describe(schema)),
  )
  return element('table', element('thead', row('th', 'Parameter', 'In', '')), element('tbody', ...rows))
}

/** By status; what an answer says of each of its codes stands in lines of its own. */
function statusTable(answers) {
  const rows = answers.map(([status, { description }]) => row('td', status, description))
  return element('table', element('thead', row('th', 'Status', '')), element('tbody', ...rows))
}

function lookUp(api, { $ref, ...whole }) {
  return $ref ? api.components.responses[$ref.split('/').at(-1)] : whole
}

function describe({ type, enum: values, minimum, maximum, default: fallback }) {
  const range = minimum === undefined ? '' : ` ${minimum} to ${maximum}`
  const usual = fallback === undefined ? '' : `; ${fallback} when left out`
  return `${values ? values.join(' | ') : (type ?? '')}${range}${usual}`
}

function shape(title, content, api) {
  const schema = content && Object.values(content)[0].schema
  return schema ? [element('h3', title), element('pre', JSON.stringify(resolved(schema, api, []), null, 2))] : []
}

/** With each named part in its place; one that holds itself is only named there. */
function resolved(value, api, within) {
  if (Array.isArray(value)) return value.map((one) => resolved(one, api, within))
  if (typeof value !== 'object' || value === null) return value
  const name = typeof value.$ref === 'string' ? value.$ref.split('/').at(-1) : undefined
  if (name !== undefined) return within.includes(name) ? name : resolved(api.components.schemas[name], api, [...within, name])
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, resolved(one, api, within)]))
}

function problems({ components }) {
  const lines = components.schemas.Problem.properties.code.description.split('\n')
  return element('section', element('h2', 'Problems'), element('ul', ...lines.map((line) => element('li', line.slice(2)))))
}

function row(cell, ...texts) {
  return element('tr', ...texts.map((text) => element(cell, text)))
}

function element(name, ...children) {
  const made = document.createElement(name)
  made.append(...children)
  return made
}
