"""What kinds of work a text speaks of, by words and phrases that people use for them.

Tasks are worded otherwise than what specialists say of themselves: a task has a crash, the specialist
debugging. The words are English with some German and French.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import log2
from typing import NamedTuple

_TRADES = {
    "code": """
        .c .cpp .cs .go .java .js .kt .php .py .rb .rs .sh .swift .ts .tsx algorithm* android api apis
        async await backend bash bug bugs build_breaks cache callback* ci? class? clean_up code*
        code_review* coding commit compil* compiler* crash* css debug* developer* docker développ*
        entwickler* error_message exception* frontend function*? funktion* git github golang html
        implement* ios java javascript kotlin librar* logcat loop? loops merge method*? none npm null
        nullpointer* parser pip plugin* port? program programm* programming programs pull_request python
        react refactor* regex returns? rust script* sdk segfault shell skript* software stack_trace
        stacktrace tests_for thread thread-safe traceback typeerror typescript
    """,
    "database": """
        .sql abfrage* base_de_données column columns database* datenbank* foreign_key* index indexes
        indices join joins jointure* migration* mysql normali* null oracle order_by pivot postgres*
        primary_key* queries query record records row rows running_total schema* select sql sqlite
        subquer* tabellen_verknüpfen table? tables? transaction* trigger* upsert where_clause
        window_function* zeilen
    """,
    "numbers": """
        .csv .xlsx a/b_test* analytics auswert* averag* berechne* break_down calcul* calculat* cells
        chart* chiffres churn cohort* confidence_interval conver* correlat* corrélation counts? csv?
        dashboard* data? dataset* daten? denominator* diagram* distribut* données? duplicates? excel?
        figures? group histogram* how_many_rows korrelation* kpi* mean measurement* median metric*
        mittelwert* noise nps numbers? outlier* per_country per_region percent* percentile* plot plots
        quarterly rate? rates? ratio* readings regress* sample* sensor* share? share_of significan*
        signifikan* sondage* spreadsheet* standard_deviation standardabweichung statistic* statistik*
        survey* tabelle* tableau turnover umfrage* varian* verteil* werte zahlen?
    """,
    "polishing": """
        alléger bullet bullets clarity commas concis* condense_the_text consisten* corrig* cut_down edit
        editing editor* edits fautes formatting friendlier grammaire grammar grammatik* half_as_long
        headline? improve_the_text jargon komma* korrigier* kürze* kürzer lektor* orthograph* paragraph?
        paragraphs? passive_voice plain_language polish* proof proofread* prose punctuation readab*
        rechtschreib* reformulat* reorder* rephras* revis*? reword* rewrite sentences? shorten* shorter
        simplif* smooth* sounds? spelling stil style tighten* tone too_long trim typo typos umformulier*
        uniform verständlich* wording überarbeit*
    """,
    "writing": """
        advertis* announcement* article* author* beschwerdebrief* blog* booklet brief? caption* compose*
        composing copywrit* cover_letter documentation draft* e-mail*? einladung* email? emails? essay*
        gedicht* guide* handbuch invitation* letter? letters? lettre*? linkedin manual_for memo_to
        newsletter* novel* poem* post? poème press_release* proposal*? rede refusal report_on rédige*
        schreib* slogan* speech*? stories story tagline* tell_the_story texts? toast verfass* word_a
        words_long write writer* writes writing écrire écris
    """,
    "checking": """
        accura* are_correct asserts bestätig* check_if check_whether citation* claim? claimed claims?
        claimé confirm* correct_dates? debunk* did_he_really does_it_say fact-check* fact_check* falsch
        false? faux? footnote* genuine hoax holds_up i've_heard is_correct is_it_true made_up misquot*
        myth mythos myths prüf* quotation* quote really? really_say recalculat* recomput* rumor* rumour*
        statement*? stimmt_es true? verif* verify vrai? vérifi* wahr? wörtlich zitat* überprüf*
    """,
    "finding": """
        archiv* background bekannt bibliograph* collect* decided_last define definition* dig_up document*?
        facts find_out folder*? founded founder* gather* geschichte handbook? heraussuchen histoire
        histor* history information* informationen invented known links list_all literatur literature
        look_into look_up mentioned names_of origin* publications publish* quelle* recherch* references
        research* source* studies? study_on suche_heraus trouve-moi universit* was_it_invented
        what_did_we_decide what_does_our what_is_a when_was where_from who_first who_founded who_used
    """,
    "joining": """
        agree_on aus_allem avis boil* bottom_line bring_their bring_together colleagues combin*
        common_position condens* contributions der_experten differ_and discussion? ergebnisse_der
        everyone_agree executive_summary experts? experts_disagree fasse fazit final_answer findings?
        gutachten insgesamt integrat* interviews meeting_notes merge_these one_position one_recommendation
        opinion opinions overall? pull_together reconcil* reviewers résum* several_people single_answer
        still_open sum_up summar* synthes* take-away* takeaway* tl;dr together_and views weigh_the
        what_follows zusammen zusammenfass*
    """,
    "planning": """
        ablaufplan* assign* backlog* bis_wann calendar checklist* deadline* définition fais-moi_un_plan
        goal? goals? goes_first kickoff logistics_of meilenstein* milestone* months_left next_steps
        next_year_i organis* organiz* owner? owners? phase phases plan? planen planner* planning plans?
        planung* prerequisite* project*? projekt* projet* relaunch* roadmap* schedul* scope? set_me_up
        sign_off signs_off sprint* step_by_step tackle task? tasks? tickets? timeline* timetable* to-do*
        todo* umzug wedding wer_macht when_to? who_does_what who_takes work_package* zeitplan*
    """,
    "danger": """
        accident* assur* attack* ausfall* backup* bankrupt* breach clause*? compliance contract*? danger*
        debts dsgvo exposed exposure face_when fire? gdpr gefahr* gefähr* go_wrong goes_wrong hack* haft*
        harm harmful hazard* hurt_us injur* insolven* insur* klausel* lawsuit* lease? legal*? liab*
        licence license likelihood loss losses mitigat* nda? outage penalt* phish* probability puts_us
        rgpd risiken risiko risk risks risque* safety secur* sicherheits* single_point strafe* sued
        terminat* threat* unsafe upper_limit versicher* vertrag* vulnerab* wahrscheinlich* what_could
        what_happens_if what_if worst worst_case
    """,
    "market": """
        acheteur* alternatives_to brand* business_model buyer* channel* charge? charges? clients?
        competing competit* concurren* consumer* customer*? customers_pay demand demande freemium
        go-to-market ideal_customer* konkurren* kunden? käufer* make_money marché* marke* market*?
        market_share markt* nachfrage* positioning preis? premium price*? pricing prix? product-market
        product? prêts_à_payer reach reseller* retail* revenue_model rival* sales? segment* sell selling
        sells shop? shops? subscription* supplier? switch_away target_group upgrade use_instead vend*
        verkauf* wettbewerb* who_would_pay wholesale willing_to_pay zielgruppe*
    """,
    "future": """
        18_months adoption ahead? avenir become*? bis_2030 by_2030 d'ici decade* develop*? early_signal*
        early_signs emerging entwickel* evolve* fad forecast* from_now future* going_to growing? growth?
        here_to_stay horizon in_five_years in_ten_years in_the_next in_zukunft jahren? long-term
        next_12_months next_18_months next_decade* next_years outlook predict* prognos* project_our
        projection* scenario* signs? slow_down slowing soon? spread spreading still? szenari* there_be
        trend* turning until_2030 will zukunft* évol*
    """,
    "critique": """
        ambig* annahme* argument*? argumentation assumption* blind_spot* brutal challenge* contradi*
        contradict* counter-argument* counterexample* critic* criticis* devil's_advocate disagree_with
        does_it_follow einwand* faibless* faille* fall_apart falls_apart flaw* forgotten gap gaps harsh
        hidden hole holes honest*? hostile hypothèses_cach* inconsist* kriti* loophole* lücke* missing?
        no_answer not_seeing objection* opponent* overclaim* overlook* pitch? poke questions_will
        raisonnement reasoning schlüssig schwäch* tear_apart thesis? too_good two_ways unclear
        unconvincing vulnerable_point weak* widersprech* widerspruch*
    """,
    "reasons": """
        abhäng* advantages alternative* architect* behind bottleneck* capacity cause caused causes
        comment_fonctionne compar* compare* component*? consensus constraint* criteria? criterion depend*
        design? either_way engpass* erklär* explain* expli* feasib* give_up hang_together how_do_the
        how_does hängt interact* latenc* limits? machbar* mechanis* monolith* possible_to pourquoi
        pros_and_cons realistic* server*? step_by_step_how take_apart technical*? technically throughput
        trade-off* tradeoff* understand ursache* vergleich* versus vor-_und_nachteile vs warum weshalb
        what_depends why wieso wired works? zusammenhang zusammenspiel
    """,
    "reviewing": """
        anmerkungen before_i_hand? before_i_merge? before_i_publish? before_i_send? before_i_submit?
        before_it_goes? before_we_apply? before_we_merge? before_we_publish? before_we_send?
        before_we_submit? code_review* comments_on could_be_better critique* durchles* durchseh*
        durchzusehen feedback? feedback_on fresh_eyes gegenles* gegenzulesen give_me_feedback go_over
        go_through? go_through_it go_through_my go_through_this have_a_look how_can_i_improve
        improvements_to inspect? is_this_ok lgtm look_at? look_at_my look_over look_through merge?
        my_draft nitpick* pair_of_eyes pull_request* read_my read_over read_through relire relis relisez
        review* reviewers? reviews? schau_dir second_opinion take_a_look verbesserungsvorschläge
        weak_points weak_spots what's_off what's_wrong_with? what_is_wrong_with? what_to_change
        what_would_you_change wrong_with? your_comments your_thoughts_on
    """,
    "ideas": """
        anregungen? as_many_as? bounce? brainstorm* come_up_with creativ*? creative_ideas creative_ways
        different_angles different_directions directions? einfall einfälle idea? ideas ideation idee?
        ideen ideenfindung idée? idées imagin*? inspiration invent? kreativ*? mind_map name_for names_for
        new_uses original_ideas originell*? out_of_the_box outside_the_box pistes possibilities?
        possible_directions possible_ways spitball* suggest? suggestions? suggestions_for think_of?
        think_up throw_out unconventional? unusual? unusual_uses unusual_ways uses_for vorschläge?
        ways_to? what_could_we? what_else? wild?
    """,
    "choosing": """
        abwägen argue_both both_sides choice? choices? choisir choix? choos*? choose_between debate*?
        decid*? decision? decisions? devons-nous dilemma? décid*? décider_si entscheiden? entscheidung*
        entweder? faut-il help_me_choose help_me_decide make_up_my_mind opt_for option? options? or_not
        pick_between pros_and_cons rather_than? should_i? should_we? soll_ich sollen_wir sollten_wir
        torn_between vaut-il vaut_mieux verdict? versus? vs? whether_to whether_we which_of_them?
        which_of_these? which_one? which_should worth_it wähl*?
    """,
    "overview": """
        akteur*? anbieter*? big_picture branche? ecosystem? field? industr*? key_players landscape?
        landscape_of lay_of_the_land main_players major_players map_of? market_leaders market_overview
        marktüberblick maturity? overview*? panorama? players? secteur? sector? state_of_play
        state_of_the_art state_of_the_field state_of_the_market survey_of? survey_the technolog*?
        tour_d'horizon vendors? what's_out_there what_is_out_there who_are_the_main who_is_who?
        état_de_l'art état_des_lieux überblick? übersicht?
    """,
    "language": """
        allemand anglais arabic auf_deutsch auf_englisch bilingual chinese czech deutsch dolmetsch* dutch
        en_anglais englisch* english? espagnol formulieren französisch français french? german? greek
        how_do_you_say idiom* in_english in_french? in_italian? in_spanish? ins_deutsche ins_englische
        interpreter* into_arabic into_chinese into_dutch into_english into_french into_german into_italian
        into_japanese into_polish into_portuguese into_russian into_spanish into_swedish into_turkish
        italian? italien* japanese korean language_version langue* latin linguist* locali* mother_tongue
        multilingual niederländisch polish polish_version portuguese render*? rendering? russian spanisch
        spanish? sprache* sprachmittl* subtitle* swedish terminolog* tradu* translat* tschechisch* turkish
        version? what_does_it_say word_for_word übersetz* übertrag* überträg*
    """,
    "law": """
        attorney* clause* complian* contract* contrat* copyright* counsel* court* datenschutz* dsgvo gdpr
        gericht* juridique* jurist* law laws lawyer* legal* liab* licence license patent* privacy recht
        rechtlich* regulat* statute* sue vertrag*
    """,
    "security": """
        attack* encrypt* exploit* firewall* hack* intrusion* malware password* pen-test* penetration_test*
        pentest* phish* secur* sicherheit* threat_model* vulnerab*
    """,
    "money": """
        accountant* accounting audit* balance_sheet bond bonds bookkeep* buchhalt* budget* cash_flow
        comptab* equity facture* finance* financial* finanz* impôt* invest* invoice* kredit* loan*
        rechnung* share_price shares steuer* stock stocks tax taxation taxes valuation values_companies
        vat
    """,
    "health": """
        arzt clinical* diagnos* diet* disease* doctor* fitness gesund* health* krank* meal* medical*
        medicine* médecin nutrition* patient* santé sleep symptom* therap* treatment*
    """,
    "teaching": """
        course* curriculum* exam* exercise* explain_to_a homework learn* lehr* lesson* mathematic* pupil*
        quiz schüler* student* teach* tutor*
    """,
    "design": """
        figma graphic* interface* layout* logo* mockup* prototype* screen_design typograph* ui usability
        user_flow* ux visual* wireframe*
    """,
    "people": """
        applicant* application_of bewerb* candidate* cv cvs employee* hire hiring hr human_resources
        interview* mitarbeiter* onboarding payroll personnel recruit* résumé salary
    """,
    "support": """
        cancel_my complaint* customer_questions customer_support help_desk helpdesk helps_customers
        my_order orders_and_returns refund* reklamation* return_an_item support_ticket* warranty
    """,
    "operations": """
        alert* cluster* deploy* devops docker incident* infrastructure* k8s kubernetes log logs monitoring
        on-call outage* pipeline* server* terraform uptime
    """,
    "talk": """
        agenda chair conversation* debate* discussion* facilitat* floor moderat* negotiat* speak* speaker*
    """,
    "travel": """
        flight* holiday* hotel* itinerar* reise* travel* trip trips vacation* voyage*
    """,
}
"""Words by the kind of work that they are a sign of: with * all that begin so, with _ a phrase; with ? a weak
sign, such as what many kinds of work are done on; with . the end of a file's name."""

PHRASE, WEAK = 1.8, 0.35
"""What a phrase counts, and a weak sign; a word counts 1."""
FIRST = 1.5
"""The factor for what is among the first words, where tasks say what is to be done."""
_LOOKED_AT = 2_000
_WORD = re.compile(r"[^\W_]+(?:['/;.-][^\W_]+)*")


class _Sign(NamedTuple):
    trade: str
    counts: float


class _Signs(NamedTuple):
    whole: Mapping[str, list[_Sign]]
    begin: Mapping[str, list[_Sign]]
    phrases: Mapping[str, dict[str, list[_Sign]]]
    """By their first word; with a blank before, and one behind where the last word is whole."""


def _read() -> _Signs:
    whole, begin = dict[str, list[_Sign]](), dict[str, list[_Sign]]()
    phrases = dict[str, dict[str, list[_Sign]]]()
    for trade, entries in _TRADES.items():
        for entry in dict.fromkeys(entries.split()):
            word = entry.removesuffix("?").removesuffix("*")
            counts = (PHRASE if "_" in word else 1.0) * (WEAK if entry.endswith("?") else 1.0)
            begins = entry.removesuffix("?").endswith("*")
            kind = begin if begins else whole
            if "_" in word:
                kind = phrases.setdefault(word.partition("_")[0], {})
                word = f" {word.replace('_', ' ')}" + ("" if begins else " ")
            kind.setdefault(word, []).append(_Sign(trade, counts))
    return _Signs(whole, begin, phrases)


_SIGNS = _read()


@lru_cache(maxsize=2_000)
def trades(text: str) -> Mapping[str, float]:
    """How much the text speaks of each kind of work; those of which it does not are left out."""
    text = text[:_LOOKED_AT].casefold().replace("’", "'")  # noqa: RUF001  typographic apostrophe
    words = _WORD.findall(text)
    amounts = dict[str, float]()
    for at, word in enumerate(words):
        for trade, counts in _of_word(word):
            amounts[trade] = amounts.get(trade, 0.0) + counts * (FIRST if at < 3 else 1)
    line = f" {' '.join(words)} "
    for word in dict.fromkeys(words):
        for phrase, signs in _SIGNS.phrases.get(word, {}).items():
            place = line.find(phrase)
            for trade, counts in signs if place >= 0 else ():
                amounts[trade] = amounts.get(trade, 0.0) + counts * (FIRST if place < 12 else 1)
    return {trade: round(log2(1 + amount), 6) for trade, amount in amounts.items()}


@lru_cache(maxsize=20_000)
def _of_word(word: str) -> Sequence[_Sign]:
    """What the word is a sign of: as it is, or by its longest beginning that is one."""
    ending = word[word.rfind(".") :] if "." in word else word
    if signs := _SIGNS.whole.get(word) or _SIGNS.whole.get(ending):
        return signs
    ends = range(min(len(word), 20), 2, -1)
    return next((_SIGNS.begin[word[:end]] for end in ends if word[:end] in _SIGNS.begin), ())
