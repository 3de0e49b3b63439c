/**
 * English words that are one word and have different stems.
 *
 * Snowball takes inflection away ("gardens", "gardening"), and leaves three kinds apart that a question should find:
 *
 * - words made of another one, "gardener" of "garden", "friendship" of "friend", "younger" of "young": their ending is taken
 *   away as long as five letters stay. What is left is a beginning of the word, so that `begin*` is as exact as before;
 * - forms that are irregular, "went" for "go" and "children" for "child": asked for together, because no rule gives one
 *   from the other;
 * - spellings of two countries, "colour" and "color": the same.
 *
 * A form that is more often another word is not listed (rose, bit, ground, wound, bore, lay).
 */

/** Fewer letters say too little: "party" would be "part". */
const ROOT_LETTERS_MIN = 5;
/** Of a stem, longest first. Comparatives and doers end alike. */
const ENDINGS = ['ation', 'ment', 'ness', 'ship', 'ion', 'iti', 'er', 'or', 'e', 'i', 'y'];

const VERBS =
  'become became|begin began begun|bend bent|bite bitten|bleed bled|blow blew blown|break broke broken|breed bred|bring ' +
  'brought|build built|burn burnt|buy bought|catch caught|choose chose chosen|cling clung|come came|creep crept|deal ' +
  'dealt|dig dug|draw drew drawn|dream dreamt|drink drank drunk|drive drove driven|eat ate eaten|fall fell fallen|feed ' +
  'fed|feel felt|fight fought|find found|flee fled|fling flung|fly flew flown|forbid forbade forbidden|forget forgot ' +
  'forgotten|forgive forgave forgiven|freeze froze frozen|get got gotten|give gave given|go went gone|grow grew grown|' +
  'hang hung|hear heard|hide hid hidden|hold held|keep kept|kneel knelt|know knew known|lead led|lean leant|leap leapt|' +
  'learn learnt|leave left|lend lent|light lit|lose lost|make made|meet met|mistake mistook mistaken|overcome overcame|' +
  'pay paid|prove proven|ride rode ridden|ring rang rung|rise risen|run ran|say said|see saw seen|seek sought|sell sold|' +
  'send sent|shake shook shaken|shine shone|shoot shot|show shown|shrink shrank shrunk|sing sang sung|sink sank sunk|sit ' +
  'sat|sleep slept|slide slid|sling slung|smell smelt|speak spoke spoken|speed sped|spell spelt|spend spent|spin spun|' +
  'spoil spoilt|stand stood|steal stole stolen|stick stuck|sting stung|stink stank stunk|strike struck|strive strove ' +
  'striven|swear swore sworn|sweep swept|swell swollen|swim swam swum|swing swung|take took taken|teach taught|tear tore ' +
  'torn|tell told|think thought|throw threw thrown|understand understood|undertake undertook undertaken|wake woke woken|' +
  'wear wore worn|weave wove woven|weep wept|win won|withdraw withdrew withdrawn|write wrote written';
const PLURALS =
  'calf calves|child children|foot feet|goose geese|half halves|knife knives|loaf loaves|man men|mouse mice|shelf shelves|' +
  'thief thieves|tooth teeth|wife wives|wolf wolves|woman women';
const SPELLINGS =
  'aluminum aluminium|apologize apologise|behavior behaviour|catalog catalogue|center centre|color colour|dialog dialogue|' +
  'favor favour|favorite favourite|flavor flavour|gray grey|harbor harbour|honor honour|humor humour|jewelry jewellery|' +
  'labor labour|liter litre|meter metre|mold mould|mom mum|neighbor neighbour|organize organise|pajamas pyjamas|realize ' +
  'realise|recognize recognise|rumor rumour|skeptical sceptical|theater theatre|tire tyre';

/** Words of which each stands for the others of its row. */
export const ENGLISH_FORMS: readonly (readonly string[])[] = [VERBS, PLURALS, SPELLINGS].flatMap((rows) =>
  rows.split('|').map((row) => row.split(' ')),
);

/** The stem of the word that the word is made of, or its own. Two endings at most: "leadership". */
export function rootOf(stem: string): string {
  const shorter = withoutEnding(stem);
  return shorter === stem ? stem : withoutEnding(shorter);
}

function withoutEnding(stem: string): string {
  const ending = ENDINGS.find((end) => stem.endsWith(end) && stem.length - end.length >= ROOT_LETTERS_MIN);
  return ending === undefined ? stem : stem.slice(0, -ending.length);
}
