import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Analyzer } from './analyzer.ts';
import { LANGUAGE_CODES, type Language } from './languages.ts';

const analyzer = new Analyzer();
const terms = (text: string, language: Language = 'auto'): readonly string[] =>
  analyzer.analyze(text, language).terms;
const questionTerms = (text: string): readonly string[] =>
  analyzer.analyzeQuery(text, 'auto', ['en']).terms.flatMap(({ stems }) => stems);

test('forms of one word give one term', () => {
  assert.deepEqual(terms('run running runs'), ['run', 'run', 'run']);
  assert.deepEqual(terms("Ann's Ann’s ann ANN"), ['ann', 'ann', 'ann', 'ann']);
  assert.deepEqual(terms('café CAFE cafés'), ['cafe', 'cafe', 'cafe']);
  assert.deepEqual(terms('книга книгами'), ['книг', 'книг']);
  assert.deepEqual(terms('ﬁne ＦＵＬＬ'), ['fine', 'full']);
  assert.deepEqual(terms('καλημέρας ΚΑΛΗΜΕΡΑΣ'), ['καλημερας', 'καλημερας']);
});

test('a word is the same beside letters that are not in ASCII', () => {
  for (const text of ["rock'n'roll", "o'clock 'tis", "don't ''x'' y'", "l'1 a'1"])
    assert.deepEqual(terms(`${text} –`), terms(text), text);
  assert.deepEqual(terms('rock’n’roll'), terms("rock'n'roll"));
});

test('composed and decomposed letters give one term', () => {
  for (const text of ['Ångström', 'ё', 'が', '한국'])
    assert.deepEqual(terms(text.normalize('NFD')), terms(text.normalize('NFC')));
});

test('scripts without spaces give pairs, and single characters for questions of one', () => {
  assert.deepEqual(terms('京都大'), ['京', '都', '大', '京都', '都大']);
  assert.deepEqual(questionTerms('京都大'), ['京都', '都大']);
  assert.deepEqual(questionTerms('京'), ['京']);
  assert.deepEqual(terms('iPhone15の'), ['iphone15', 'の']);
});

test('emoji are terms, with their skin tones and joiners left away', () => {
  assert.deepEqual(terms('👍🏽 ok 🎉🎉'), ['👍', 'ok', '🎉', '🎉']);
  assert.deepEqual(terms('🇩🇪🇮🇪'), ['🇩🇪', '🇮🇪']);
});

test('common words of a question are marked, also with their endings', () => {
  const common = (text: string) =>
    analyzer.analyzeQuery(text, 'auto', ['en']).terms.filter((term) => term.isCommon).length;
  assert.equal(common("what's the who"), 3);
  assert.equal(common('guitar kyoto'), 0);
});

test('the dates of a question are read in the language of its script, where its words do not tell one', () => {
  const languageOf = (question: string, language: Language = 'auto') =>
    analyzer.analyzeQuery(question, language, ['en']).language;
  assert.equal(languageOf('что было вчера'), 'ru');
  assert.equal(languageOf('ماذا حدث أمس'), 'ar');
  assert.equal(languageOf('who met Иван'), 'ru');
  assert.equal(languageOf('wer hat Иван und die Kinder gesehen'), 'de');
  assert.equal(languageOf('what happened'), 'en');
  assert.equal(languageOf('что было вчера', 'de'), 'de');
});

test('a run without end is one short term, not a lone surrogate', () => {
  const [term = ''] = terms('𝒳'.repeat(5000) + '漢');
  assert.ok(term.length <= 64 && term.isWellFormed());
  assert.deepEqual(terms('\ud800 \udc00'), []);
});

test('terms do not depend on what was analysed before', () => {
  const fresh = new Analyzer().analyze('Generalizations of running', 'auto').terms;
  for (let i = 0; i < 60_000; i++) terms(`w${i}`);
  assert.deepEqual(terms('Generalizations of running'), fresh);
});

test('forms of one word are one term in each language that has a stemmer', () => {
  const forms: Record<string, readonly string[]> = {
    ar: ['المدرسة', 'مدرسة'],
    ca: ['gats', 'gat'],
    cs: ['knihy', 'kniha', 'knihou'],
    da: ['husene', 'huset'],
    de: ['Häuser', 'haus'],
    en: ['houses', 'house'],
    es: ['canciones', 'canción', 'CANCION'],
    eu: ['mendiak', 'mendi'],
    fi: ['talossanikin', 'talo'],
    fr: ['maisons', 'maison'],
    ga: ['bhfear', 'fear'],
    hu: ['házak', 'ház'],
    hy: ['եղբայրներ', 'եղբայր'],
    it: ['case', 'casa'],
    nl: ['boeken', 'boek'],
    no: ['husene', 'huset'],
    pt: ['canções', 'cancoes'],
    ro: ['cărțile', 'cărţi'],
    ru: ['книга', 'книгами'],
    sl: ['knjige', 'knjiga'],
    sv: ['flickor', 'flicka'],
    ta: ['வீடுகள்', 'வீடு'],
    tr: ['kitaplar', 'kitap'],
  };
  assert.deepEqual(Object.keys(forms).sort(), [...LANGUAGE_CODES].sort());
  for (const [language, words] of Object.entries(forms))
    assert.equal(new Set(terms(words.join(' '), language as Language)).size, 1, language);
});

test('the language of a text is told from the text alone', () => {
  const texts: Record<string, readonly string[]> = {
    en: ['Ann prefers tea', 'She went to the market with her sister', 'tea', '', 'café au lait', 'Ångström'],
    de: ['Anna trinkt am liebsten grünen Tee', 'Wir waren gestern auf dem Markt', 'Sie hat keine Zeit'],
    fr: ["Elle préfère le thé vert à l'aube", 'Nous sommes allés au marché hier', "J'aime les trains"],
    es: ['Ana prefiere el té verde por la mañana', 'Ayer fuimos al mercado con mi hermana'],
    it: ['Anna preferisce il tè verde al mattino', 'Ieri siamo andati al mercato con mia sorella'],
    pt: ['A Ana prefere chá verde de manhã e não café', 'Ontem fomos ao mercado com a minha irmã'],
    nl: ['Anna drinkt het liefst groene thee', 'Wij waren gisteren op de markt met mijn zus'],
    sv: ['Anna dricker helst grönt te på morgonen', 'Vi var på marknaden igår med min syster'],
    tr: ['Anna sabahları yeşil çay içer', 'Dün kız kardeşim ile çok güzel bir pazara gittik'],
    fi: [
      'Anna juo aamulla mieluiten vihreää teetä ja hän on iloinen',
      'Olimme eilen torilla ja se oli hauskaa',
    ],
  };
  for (const [language, given] of Object.entries(texts))
    for (const text of given) assert.equal(analyzer.analyze(text, 'auto').language, language, text);
});

test('a word is asked for in each language that the vault holds', () => {
  const [question] = analyzer.analyzeQuery('Häuser', 'auto', ['en', 'de']).terms;
  assert.deepEqual(question?.stems, ['hauser', 'haus']);
  assert.deepEqual(questionTerms('houses'), ['hous']);
  assert.deepEqual(
    analyzer.analyzeQuery('houses', 'none', ['en']).terms.map(({ stems }) => stems),
    [['houses']],
  );
});

test('words with an elided article are words about their noun', () => {
  assert.deepEqual(terms("l'école dell'amico", 'fr'), terms('école amico', 'fr'));
});

test('no word of any script breaks a stemmer or comes out empty', () => {
  const letters = 'a b c x y z ä ö ß é ñ ç ø å ı ğ ș ő ř â ا ب ت в г д க ர հ ա յ 가 あ'.split(' ');
  for (const language of LANGUAGE_CODES)
    for (let seed = 1; seed < 400; seed++) {
      const word = Array.from(
        { length: (seed % 9) + 1 },
        (_, at) => letters[(seed * (at + 3) * 7) % letters.length],
      );
      for (const term of terms(word.join(''), language))
        assert.ok(term.length > 0, `${language} ${word.join('')}`);
    }
});
