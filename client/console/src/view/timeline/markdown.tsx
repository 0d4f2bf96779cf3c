import { Lexer, type MarkedToken, type Token, Tokenizer } from 'marked'
import type { ComponentChildren } from 'preact'
import { useMemo } from 'preact/hooks'
import { plainText } from '../../untrusted-text.ts'
import { Untrusted } from '../untrusted.tsx'
import { linkOf } from './safe-link.ts'

/** What is nested deeper is shown as it was written. */
const DEEPEST = 12
/** A table of more columns has no place on a page for each of them. */
const MOST_COLUMNS = 12
/** In a table of so few no column need be narrower than a word. */
const FEW_COLUMNS = 4

/** HTML is text like any other, so that no part of it is ever taken for markup. */
class TextTokenizer extends Tokenizer {
  override html(): undefined {
    return undefined
  }

  override tag(): undefined {
    return undefined
  }
}

/**
 * A text that anyone may have written, in the part of Markdown that messages use. The library only cuts it into tokens; every element is
 * made here, by the table below, and what does not stand there is shown as it was written.
 */
export function Markdown({ text }: { text: string }) {
  const tokens = useMemo(() => tokensOf(text), [text])
  return tokens === undefined ? <Untrusted text={text} /> : <Tokens tokens={tokens} depth={0} />
}

function tokensOf(text: string): Token[] | undefined {
  try {
    return new Lexer({ gfm: true, breaks: true, tokenizer: new TextTokenizer() }).lex(text)
  } catch {
    return undefined // nested so deep that the library gives up: no Markdown that anyone would read
  }
}

type Kind = MarkedToken['type']
type OfKind<K extends Kind> = Extract<MarkedToken, { type: K }>
type Shows = { [K in Kind]?: (token: OfKind<K>, inside: ComponentChildren, depth: number) => ComponentChildren }

const shows: Shows = {
  paragraph: (_, inside) => <p dir="auto">{inside}</p>,
  // The page has headings of its own, and a message must not look like one of them.
  heading: (_, inside) => (
    <p class="said-heading" dir="auto">
      {inside}
    </p>
  ),
  blockquote: (_, inside) => <blockquote>{inside}</blockquote>,
  list: ({ ordered, start, items }, _, depth) =>
    ordered ? <ol start={start === '' ? 1 : start}>{itemsOf(items, depth)}</ol> : <ul>{itemsOf(items, depth)}</ul>,
  code: ({ text }) => <Block text={text} />,
  table: (token, _, depth) =>
    token.header.length > MOST_COLUMNS ? <Block text={token.raw.trimEnd()} /> : <Table token={token} depth={depth} />,
  codespan: ({ text }) => (
    <code>
      <Untrusted text={text} />
    </code>
  ),
  strong: (_, inside) => <strong>{inside}</strong>,
  em: (_, inside) => <em>{inside}</em>,
  del: (_, inside) => <del>{inside}</del>,
  // Where white space counts, a line's end is one.
  br: () => '\n',
  hr: () => <hr />,
  space: () => null,
  checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
  escape: ({ text }) => <Untrusted text={text} />,
  text: ({ text, tokens }, inside) => (tokens === undefined ? <Untrusted text={text} /> : inside),
  link: (token, inside) => <Link token={token}>{inside}</Link>,
  // No picture is fetched.
  image: (token) => (
    <Link token={token}>
      <Untrusted text={token.text === '' ? 'picture' : token.text} />
    </Link>
  ),
}

function Tokens({ tokens, depth }: { tokens: readonly Token[] | undefined; depth: number }) {
  return (tokens ?? []).map((token, at) => <Shown key={at} token={token} depth={depth + 1} />)
}

function Shown({ token, depth }: { token: Token; depth: number }): ComponentChildren {
  // The cast holds: a kind is looked up under its own name.
  const show = shows[token.type as Kind] as ((token: Token, inside: ComponentChildren, depth: number) => ComponentChildren) | undefined
  if (show === undefined || depth > DEEPEST) return <Untrusted text={token.raw} />
  return show(token, 'tokens' in token ? <Tokens tokens={token.tokens} depth={depth} /> : null, depth)
}

function itemsOf(items: OfKind<'list'>['items'], depth: number) {
  return items.map(({ tokens }, at) => (
    <li key={at} dir="auto">
      <Tokens tokens={tokens} depth={depth} />
    </li>
  ))
}

/** Its cells fold where they must: nothing scrolls sideways. */
function Table({ token: { header, rows }, depth }: { token: OfKind<'table'>; depth: number }) {
  return (
    <table class={header.length <= FEW_COLUMNS ? 'has-few' : undefined}>
      <thead>
        <tr>{cellsOf(header, depth)}</tr>
      </thead>
      {rows.length > 0 && (
        <tbody>
          {rows.map((cells, at) => (
            <tr key={at}>{cellsOf(cells, depth)}</tr>
          ))}
        </tbody>
      )}
    </table>
  )
}

function cellsOf(cells: OfKind<'table'>['header'], depth: number) {
  return cells.map(({ header, align, text, tokens }, at) => {
    const inside = <Tokens tokens={tokens} depth={depth} />
    const look = align === 'right' || align === 'center' ? `to-${align}` : undefined
    // A heading without words would be read out as one.
    return header && text !== '' ? (
      <th key={at} scope="col" dir="auto" class={look}>
        {inside}
      </th>
    ) : (
      <td key={at} dir="auto" class={look}>
        {inside}
      </td>
    )
  })
}

function Block({ text }: { text: string }) {
  return (
    <pre>
      <code>
        <Untrusted text={text} />
      </code>
    </pre>
  )
}

/** A link that says where it leads; one that leads nowhere safe is shown as it was written. */
function Link({ token, children }: { token: OfKind<'link' | 'image'>; children: ComponentChildren }) {
  const link = linkOf(token)
  if (link === undefined) return <Untrusted text={token.raw} />
  return (
    <>
      <a href={link.href} target="_blank" rel="noopener noreferrer" title={plainText(link.href)}>
        {children}
      </a>
      {link.leadsTo !== undefined && <span class="leads-to"> ({link.leadsTo})</span>}
    </>
  )
}
