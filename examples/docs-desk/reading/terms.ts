/** Words that stand in almost every sentence and tell nothing about it. */
const stopWords = new Set(
  (
    'a about above after again all also am an and any are as at be because been before being below between both but by can could did do ' +
    'does doing down during each for from further had has have having he her here hers him his how i if in into is it its itself just ' +
    'let me more most my no nor not now of off on once only or other our out over own same she should so some such than that the their ' +
    'them then there these they this those through to too under until up us very was we were what when where which while who whom why ' +
    'will with would you your tell explain please show say says use uses used using want wants need needs know many much'
  ).split(' '),
)

/** Scripts that write without spaces between words. */
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Khmer}\p{Script=Lao}]/u
const wordSegmenter = new Intl.Segmenter(undefined, { granularity: 'word' })

/** The words of a text as they are compared: lower case, without accents and endings, without words that tell nothing. */
export function termsOf(text: string): string[] {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/['’]s?\b/g, '')
  const words = unspaced.test(plain)
    ? Array.from(wordSegmenter.segment(plain), ({ segment }) => segment).filter((word) => /[\p{L}\p{N}]/u.test(word))
    : (plain.match(/[\p{L}\p{N}]+/gu) ?? [])
  return words.filter((word) => !stopWords.has(word)).map(stem)
}

/** Takes off English endings, so that "killed" finds "kill" and "promises" finds "promise". Rough, and the same on both sides. */
export function stem(word: string): string {
  if (word.length < 4 || /\d/.test(word)) return word
  const singular = word
    .replace(/ies$/, 'y')
    .replace(/(ss|x|z|ch|sh)es$/, '$1')
    .replace(/([^su])s$/, '$1')
  const base = singular.length > 5 ? singular.replace(/(?<=[aeiouy].*)(ing|ed)$/, '') : singular
  const single = base === singular ? base : base.replace(/([bdfgmnprt])\1$/, '$1')
  return single.length > 4 ? single.replace(/e$/, '') : single
}
