/**
 * The languages whose words are stemmed, and how the language of a text is told.
 *
 * A script that one language here owns (Cyrillic, Arabic, Armenian, Tamil) decides by itself, word by word. For Latin script
 * the small words of a text vote: articles, prepositions, forms of "to be", and letters or elisions that few languages
 * have. English is what a text is taken for that says nothing of its language.
 *
 * What a text is taken for depends on that text alone, never on others: an index stays the same whatever came before,
 * and a segment holds nothing that was learnt from another record.
 */
import type { Language } from '@strongroom/client';

export type { Language };
export type LanguageCode = Exclude<Language, 'auto' | 'none'>;

/** The stemmer of each language, by its name in the library. In this order a segment names them: new ones go to the end. */
export const STEMMERS = {
  en: 'english',
  ar: 'arabic',
  ca: 'catalan',
  cs: 'czech',
  da: 'danish',
  de: 'german',
  es: 'spanish',
  eu: 'basque',
  fi: 'finnish',
  fr: 'french',
  ga: 'irish',
  hu: 'hungarian',
  hy: 'armenian',
  it: 'italian',
  nl: 'dutch',
  no: 'norwegian',
  pt: 'portuguese',
  ro: 'romanian',
  ru: 'russian',
  sl: 'slovene',
  sv: 'swedish',
  ta: 'tamil',
  tr: 'turkish',
} as const satisfies Record<LanguageCode, string>;

export const LANGUAGE_CODES = Object.keys(STEMMERS) as readonly LanguageCode[];

/** What a vault may say of its language. */
export const LANGUAGES: readonly Language[] = ['auto', 'none', ...LANGUAGE_CODES];

const LATIN = /\p{Script=Latin}/u;
const SCRIPTS: readonly (readonly [RegExp, LanguageCode])[] = [
  [/\p{Script=Cyrillic}/u, 'ru'],
  [/\p{Script=Arabic}/u, 'ar'],
  [/\p{Script=Armenian}/u, 'hy'],
  [/\p{Script=Tamil}/u, 'ta'],
];
const SCRIPTED = new Set(SCRIPTS.map(([, code]) => code));

/** Whose stemmer a word is for, in a text of that language; null for a script without one. */
export function stemmerOf(word: string, language: LanguageCode): LanguageCode | null {
  if (LATIN.test(word)) return SCRIPTED.has(language) ? 'en' : language;
  return SCRIPTS.find(([script]) => script.test(word))?.[1] ?? null;
}

/**
 * Languages that are told by votes; a word's vote is a mask of their places in this list. English comes first; of two that are
 * level the earlier is taken, which between neighbours (Danish, Norwegian) makes little difference to the stems.
 */
const VOTERS = [
  ...(['en', 'de', 'fr', 'es', 'it', 'pt', 'nl', 'sv'] as const),
  ...(['da', 'no', 'fi', 'tr', 'hu', 'cs', 'ro', 'ca'] as const),
] as const satisfies readonly LanguageCode[];
type Voter = (typeof VOTERS)[number];

/** Words that say little of what a text is about: left out of questions while these hold others. */
const SMALL_WORDS: Readonly<Record<Voter, string>> = {
  en:
    "a about all also am an and any are as at be been but by can can't could did didn't do does doesn't don't for from " +
    'had has have he her hers him his how i if in into is it its just like may me might more most my no not of on or ' +
    'our out she should so some such than that the their them then there these they this those to too up us was we ' +
    'were what when where which while who whom whose why will with would you your',
  ca:
    'a al als amb aquest aquesta com de del dels el els en era és ella és ha han hi i jo la les li més molt no nosaltres ' +
    'o on per però perquè què quan qui s sense seu seva si sóc són també té tinc un una uns va vam van vaig',
  cs:
    'a aby ale ano byl byla bylo být co do i já jak jako je jeho jejich její jen jsem jsme jsou k kde kdo když který ' +
    'má mě mi mít můj na nebo není o od on ona po pro proč s se si tak také ten to tu v ve však za ze že',
  da:
    'af at da de den denne det dette dig din du efter eller en er et for fra før ham han hans har havde hun hvad hvem ' +
    'hvor hvornår i ikke jeg kan man med meget men mig min når og også om os på sig skal som til ud var vi vil være',
  de:
    'aber als am an auch auf aus bei bin bis da das dass dem den der des die dies diese du durch ein eine einem einen ' +
    'einer er es für gern haben habe hat hatte ich ihm ihn ihr im in ist ja kann kein keine man mein meine mich mir mit ' +
    'nach nicht noch nur oder ohne schon sehr sein seine sich sie sind so über um und uns unser unter vom von vor wann ' +
    'war waren warum was weil welche wenn wer werden wie wir wird wo wurde zu zum zur',
  es:
    'a al algo con cómo como cuál cuando cuándo de del desde donde dónde el ella ellos en entre era eran es esta está ' +
    'este esto fue ha había han hay la las le les lo los más me mi muy nada ni no nos o para pero por porque qué que ' +
    'quién se ser si sí sin sobre son soy su sus también te tengo tiene tu un una unos y ya yo',
  fi:
    'ei ehkä en että hän hänen ja jo joka jos kanssa koska kuin kuka kun me milloin minä minun missä mitä mutta myös ' +
    'nyt ne niin oli olen olet olivat on ovat se sen sinä sitä tai tämä tässä vain voi',
  fr:
    'à au aux avec ce ces cet cette chez comme comment dans de des donc du elle elles en est et était étaient être eu ' +
    'il ils je la le les leur leurs lui ma mais me mes moi mon ne nos notre nous on ont ou où par pas plus pour pourquoi ' +
    'quand que quel quelle qui quoi sa sans se ses si son sont suis sur ta te tes toi ton très tu un une vos votre vous y',
  hu:
    'a az azt ami amit aki azonban csak de egy el én ez ezt fel ha hogy hol igen is itt ki kell le már meg mert mi ' +
    'mikor mint mit most nagyon nem neki nekem ő ott pedig s sem szerint te úgy van vagy volt voltak',
  it:
    'a ad al alla alle anche che chi ci come con cosa da dal dalla dei del della delle di dove e è era erano essere gli ' +
    'ha hanno ho i il in io la le lei li lo loro lui ma mi mia mio molto ne nel nella noi non nostro o per perché più ' +
    'qual quale quando quello questa questo sei se si sono sua suo sul sulla ti tra tu un una uno vi voi',
  nl:
    'aan al als bij dan dat de deze die dit door een en er had heb hebben heeft hem het hij hoe hun ik in is ja je kan ' +
    'maar me meer met mij mijn naar niet nog nu of om onder ons ook op over te tot u uit van veel voor waar waarom ' +
    'wanneer waren was wat we wel werd wie wij wil worden zal ze zich zij zijn zo',
  no:
    'alle at av da de den der det dette du eller en er et etter for fra før ha hadde ham han hans har hun hva hvem hvor ' +
    'hvorfor i ikke jeg kan man med meg meget men min når nå og også om opp oss på seg skal som til ut var vi vil være',
  pt:
    'a ao aos as até com como da das de dela dele do dos e é ela ele eles em era essa esse esta está este eu foi há isso ' +
    'isto já lhe mais mas me meu minha muito na não nas nem no nos nós o onde os ou para pela pelo por porque quando que ' +
    'quem se sem ser seu sua são também te tem tenho um uma você',
  ro:
    'a acest această acum ai al ale am ar are au ca că care ce cel cine cu cum da dar de din după e ea ei el este eu fi ' +
    'fost în la le lor lui mai mea meu mult ne noi nu o pe pentru prin sau să se și sunt te tu un unde unei unui va vă',
  sv:
    'alla att av blev de dem den denna det detta dig din du där efter ej eller en er ett för från ha hade han hans har ' +
    'henne hon hur i inte jag kan man med men mig min mycket när ni och också om oss på sig ska skulle som till under ' +
    'upp ut vad var varför vem vi vid vill är',
  tr:
    'ama ancak bana ben beni benim bir biz bu çok çünkü da daha de değil diye gibi her için ile ise kadar ki kim mi mı ' +
    'nasıl ne neden nerede niçin o olan olarak onu onun sana sen sonra şey şu ve veya ya yok var',
};

/** Words that say something, and that few other languages have: they speak for English, and stay in questions. */
const ENGLISH_WORDS = new Set(
  (
    'again always care day every feel get go going good got great happy hello help here hey hi know last let like little ' +
    'look love make much need never new nice now ok okay one only other people please really right said say see take ' +
    'thank thanks think time today too used very want way well work world yeah year yes'
  ).split(' '),
);

/** Letters and elisions at the beginning of a word that few languages have. */
const MARKS: readonly (readonly [RegExp, readonly Voter[]])[] = [
  [/ß/, ['de']],
  [/^[ld]['’]\p{L}/u, ['fr', 'it', 'ca']],
  [/^(?:qu|j|n|c|jusqu|lorsqu)['’]\p{L}/u, ['fr']],
  [/^(?:dell|all|nell|sull|dall|un)['’]\p{L}/u, ['it']],
  [/[äö]/, ['de', 'sv', 'fi']],
  [/ü/, ['de', 'hu', 'tr']],
  [/å/, ['sv', 'da', 'no']],
  [/[æø]/, ['da', 'no']],
  [/[ñ]/, ['es']],
  [/[ãõ]/, ['pt']],
  [/[œêûù]/, ['fr']],
  [/[őű]/, ['hu']],
  [/[ğış]/, ['tr']],
  [/[řěů]/, ['cs']],
  [/[ăîțţ]/, ['ro']],
  [/(?:ción|ciones|dad)$/, ['es']],
  [/(?:ção|ções|dade)$/, ['pt']],
];

const SMALL: ReadonlyMap<LanguageCode, ReadonlySet<string>> = new Map(
  VOTERS.map((code) => [code, new Set(SMALL_WORDS[code].split(' '))]),
);

export const isSmallWord = (word: string, language: LanguageCode): boolean =>
  SMALL.get(language)?.has(word) === true;

/** The languages a word speaks for, as a mask for `languageOf`. */
export function votesOf(word: string): number {
  let mask = ENGLISH_WORDS.has(word) ? 1 : 0;
  VOTERS.forEach((code, at) => {
    if (isSmallWord(word, code)) mask |= 1 << at;
  });
  for (const [mark, codes] of MARKS)
    if (mark.test(word)) for (const code of codes) mask |= 1 << VOTERS.indexOf(code);
  return mask;
}

const counts = new Int32Array(VOTERS.length);

/**
 * The language that most words speak for. One that is level with another needs two words, and none wins that has not more
 * than English.
 */
export function languageOf(votes: readonly number[]): LanguageCode {
  counts.fill(0);
  for (const mask of votes)
    for (let rest = mask; rest !== 0; rest &= rest - 1) {
      const at = 31 - Math.clz32(rest & -rest);
      counts[at] = (counts[at] as number) + 1;
    }
  let winner = 0;
  let isAlone = true;
  for (let at = 1; at < counts.length; at++) {
    const [own, most] = [counts[at] as number, counts[winner] as number];
    if (own === most) isAlone = false;
    if (own <= most) continue;
    winner = at;
    isAlone = true;
  }
  return isAlone || (counts[winner] as number) > 1 ? (VOTERS[winner] ?? 'en') : 'en';
}
