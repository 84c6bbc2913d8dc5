//! What is invented: sheets, organisations, answers and reviews, all from the
//! number of the solution, so that one size is one catalogue.

use gouvtech_catalogue::criteria::Criterion;
use gouvtech_catalogue::evaluations::view::Answer;
use gouvtech_catalogue::families::FAMILIES;
use gouvtech_catalogue::organisations::OrganisationDetails;
use gouvtech_catalogue::reviews::content::ReviewContent;
use gouvtech_catalogue::solutions::sheet::SolutionSheet;
use serde_json::{Value, json};

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Dice(u64);

impl Dice {
    pub fn new(kind: u64, number: usize) -> Self {
        Self((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (kind << 56))
    }

    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap_or_default()
    }

    /// The lower of two: the first are frequent, the last are rare, as in real life.
    fn low(&mut self, sides: usize) -> usize {
        self.roll(sides).min(self.roll(sides))
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        let place = self.low(all.len());
        all[place]
    }

    fn some<'a>(&mut self, count: usize, all: &[&'a str]) -> Vec<&'a str> {
        let mut chosen: Vec<&str> = (0..count).map(|_| self.of(all)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }
}

const NOUNS: [&str; 32] = [
    "Guichet",
    "Démarches",
    "Parapheur",
    "Archives",
    "Agenda",
    "Messagerie",
    "Cadastre",
    "Courrier",
    "Formulaires",
    "Délibérations",
    "Subventions",
    "Marchés",
    "Paie",
    "Congés",
    "Cimetières",
    "Urbanisme",
    "Périscolaire",
    "Facturation",
    "Signalement",
    "Visioconférence",
    "Cartographie",
    "Statistiques",
    "Signature",
    "Identité",
    "Sondages",
    "Annuaire",
    "Patrimoine",
    "Voirie",
    "Bibliothèque",
    "Accueil",
    "Budget",
    "Recrutement",
];
const QUALITIES: [&str; 32] = [
    "facile",
    "ouvert",
    "commun",
    "numérique",
    "partagé",
    "citoyen",
    "territorial",
    "souverain",
    "agile",
    "libre",
    "intégré",
    "mobile",
    "sécurisé",
    "simplifié",
    "rapide",
    "durable",
    "accessible",
    "collectif",
    "éthique",
    "fluide",
    "léger",
    "modulaire",
    "national",
    "local",
    "public",
    "régional",
    "sobre",
    "solidaire",
    "transparent",
    "unifié",
    "universel",
    "vivant",
];
const PLACES: [&str; 32] = [
    "Aubrac",
    "Béarn",
    "Berry",
    "Brière",
    "Camargue",
    "Causses",
    "Cerdagne",
    "Chablais",
    "Cotentin",
    "Drôme",
    "Estérel",
    "Forez",
    "Gâtinais",
    "Gévaudan",
    "Jura",
    "Landes",
    "Léon",
    "Luberon",
    "Marais",
    "Mercantour",
    "Morvan",
    "Ouche",
    "Perche",
    "Quercy",
    "Queyras",
    "Sologne",
    "Trégor",
    "Valois",
    "Vercors",
    "Vexin",
    "Vosges",
    "Yonne",
];
const PHRASES: [&str; 16] = [
    "Un agent compose le formulaire, l’usager le remplit et le service instruit la demande.",
    "Les dossiers passent d’un service à l’autre sans ressaisie, avec un historique complet.",
    "Les données restent hébergées sur le territoire et peuvent être reprises à tout moment.",
    "La solution s’ouvre avec FranceConnect et respecte le référentiel d’accessibilité.",
    "Un tableau de bord présente les délais, les volumes et les points de blocage.",
    "Les documents sont signés électroniquement puis versés aux archives.",
    "Des interfaces ouvertes relient la solution aux logiciels de finances et de paie.",
    "Les habitants signalent un problème de voirie depuis leur téléphone et suivent la réparation.",
    "La gestion des droits suit l’organigramme, et chaque accès est journalisé.",
    "La prise en main demande une demi-journée de formation, en ligne ou sur place.",
    "Les exports se font dans des formats ouverts et documentés.",
    "Le support répond les jours ouvrés, avec un engagement de délai.",
    "Les délibérations sont préparées, votées et transmises au contrôle de légalité.",
    "Une application mobile fonctionne hors connexion et se synchronise ensuite.",
    "Les statistiques d’usage sont publiées et ne permettent d’identifier personne.",
    "Le code est publié et les contributions extérieures sont examinées chaque mois.",
];
const TAGS: [&str; 24] = [
    "formulaires",
    "signature",
    "archivage",
    "paie",
    "accessibilité",
    "mobile",
    "open data",
    "interopérabilité",
    "FranceConnect",
    "téléservice",
    "facturation",
    "urbanisme",
    "cartographie",
    "écoles",
    "état civil",
    "voirie",
    "culture",
    "sport",
    "santé",
    "eau",
    "déchets",
    "énergie",
    "sécurité",
    "élus",
];
const LICENCES: [&str; 8] =
    ["AGPL-3.0-or-later", "MIT", "EUPL-1.2", "GPL-3.0-or-later", "Apache-2.0", "CECILL-2.1", "BSD-3-Clause", "MPL-2.0"];

/// A name nobody else in the catalogue has.
pub fn name(number: usize) -> String {
    let all = NOUNS.len() * QUALITIES.len() * PLACES.len();
    // A stride without common divisor walks through all combinations in no apparent order.
    let place = number * 20_011 % all;
    let (noun, rest) = (place % NOUNS.len(), place / NOUNS.len());
    let (quality, region) = (rest % QUALITIES.len(), rest / QUALITIES.len());
    let name = format!("{} {} {}", NOUNS[noun], QUALITIES[quality], PLACES[region]);
    match number / all {
        0 => name,
        round => format!("{name} {}", round + 1),
    }
}

/// A complete sheet with every trait, so that every criterion applies.
pub fn sheet(number: usize, traits: &[String]) -> SolutionSheet {
    let dice = &mut Dice::new(1, number);
    let families: Vec<&str> = FAMILIES.iter().map(|family| family.code.as_str()).collect();
    let name = name(number);
    let host = format!("solution-{number}.example.org");
    let description: Vec<&str> = (0..8).map(|_| PHRASES[dice.roll(PHRASES.len())]).collect();
    let is_free = dice.roll(3) > 0;
    let families = dice.some(2, &families);
    let count = 1 + dice.roll(3);
    let sheet = json!({
        "name": name,
        "summary": format!("{name} : {}", PHRASES[dice.roll(PHRASES.len())]),
        "description": description.join("\n\n"),
        "language": "fr",
        "website": format!("https://{host}/"),
        "documentation": format!("https://{host}/documentation"),
        "repository": is_free.then(|| format!("https://code.example.org/{number}")),
        "contact_email": format!("contact@{host}"),
        "software_version": format!("{}.{}", 1 + dice.roll(9), dice.roll(20)),
        "first_released_on": format!("{}-{:02}-01", 2010 + dice.roll(15), 1 + dice.roll(12)),
        "interface_languages": dice.some(2, &["fr", "en", "de", "br"]),
        "families": families,
        "domain": format!("{:02}", 1 + dice.low(10)),
        "audiences": dice.some(3, &["local_authority", "state", "hospital", "education", "operator"]),
        "tags": dice.some(4, &TAGS),
        "sourcing_rank": dice.of(&["market", "digital_common", "mutualised_public"]),
        "reuse_conditions": "Toute personne publique peut la reprendre, avec ou sans accompagnement.",
        "distribution": if is_free { "free" } else { dice.of(&["proprietary", "hybrid"]) },
        "licence": is_free.then(|| dice.of(&LICENCES)),
        "business_models": dice.some(2, &["subscription", "free", "purchase", "pay_per_use"]),
        "deployment": dice.some(2, &["cloud", "on_premise"]),
        "hosting": [{"provider": dice.of(&["Hébergeur du Nord", "Nuage de l’Ouest", "Centre Est"]),
            "country": dice.of(&["FR", "DE", "IE", "NL"]),
            "qualifications": [{"scheme": dice.of(&["iso_27001", "secnumcloud", "hds"])}]}],
        "offline_mode": dice.roll(4) == 0,
        "traits": traits,
        "api_documentation": format!("https://{host}/api"),
        "standards": dice.some(3, &["OpenID Connect", "OpenDocument", "SAML 2.0", "iCalendar", "PAdES"]),
        "purchase_routes": [{"buyer": dice.of(&["UGAP", "Resah", "CANUT"]), "reference": format!("M-{number}")}],
        "price_model": "Par agent et par an, dégressif.",
        "price_from": {"amount_cents": 100 * (1 + dice.roll(5000)), "currency": "EUR", "unit": "user/year"},
        "delivery_days": 5 + dice.roll(85),
        "references": (0..count).map(|one| json!({"organisation": format!("Commune {}", (number * 7 + one) % 35_000),
            "since_year": 2015 + dice.roll(10), "scope": "Tous les services.", "may_be_named": true})).collect::<Vec<_>>(),
        "evidence": [{"title": "Déclaration d’accessibilité", "url": format!("https://{host}/accessibilite"),
            "media_type": "text/html", "visibility": "public"}],
    });
    read(sheet)
}

/// A vendor, a public body or an audit body under a SIREN of its own.
pub fn organisation(kind: &str, number: usize, siren: usize) -> OrganisationDetails {
    let dice = &mut Dice::new(2, siren);
    let (word, nature) = match kind {
        "vendor" => ("Éditions", "company"),
        "audit_body" => ("Cabinet d’audit", "company"),
        _ => ("Communauté de communes", "public_body"),
    };
    read(json!({
        "name": format!("{word} {} {number}", PLACES[dice.roll(PLACES.len())]),
        "kinds": [kind], "legal_nature": nature, "siren": with_key(siren), "country": "FR",
        "size": dice.of(&["small", "micro", "medium", "large"]), "control": dice.of(&["eu", "non_eu"]),
        "website": format!("https://organisation-{siren}.example.org/"),
        "contact_email": format!("contact@organisation-{siren}.example.org"),
    }))
}

/// A SIREN: eight digits and the key that makes their Luhn sum a multiple of ten.
fn with_key(number: usize) -> String {
    let digits = format!("{:08}", 10_000_000 + number);
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// How good the solutions of a catalogue are, in percent: most in the middle.
pub fn quality(number: usize) -> usize {
    let dice = &mut Dice::new(3, number);
    (dice.roll(51) + dice.roll(51) + 40).min(100)
}

/// An answer near to a quality.
pub fn answer(number: usize, place: usize, quality: usize, criterion: &Criterion) -> Answer {
    let dice = &mut Dice::new(4, number * 128 + place);
    let wanted = i32::try_from((quality + dice.roll(21)).min(110) * 100).unwrap_or_default() - 1000;
    let options = criterion.options();
    let nearest = options.iter().min_by_key(|option| (option.score.ten_thousandths() - wanted).abs());
    let justification = (dice.roll(3) == 0).then(|| PHRASES[dice.roll(PHRASES.len())].to_owned());
    let value = nearest.map(|option| option.code.clone()).unwrap_or_default();
    Answer { value, justification, evidence: Vec::new() }
}

/// A complete review.
pub fn review(number: usize, place: usize) -> ReviewContent {
    let dice = &mut Dice::new(5, number * 16 + place);
    let overall = 5 - dice.low(5);
    read(json!({
        "title": format!("{} au quotidien", dice.of(&["Fiable", "Utile", "Pratique", "Perfectible", "Complexe"])),
        "text": format!("{} {} {}", PHRASES[dice.roll(16)], PHRASES[dice.roll(16)], PHRASES[dice.roll(16)]),
        "overall": overall,
        "ratings": {"fitness": overall, "ease_of_use": 1 + dice.roll(5), "support": 1 + dice.roll(5)},
        "context": {"role": dice.of(&["user", "administrator", "buyer"]), "used_since": format!("{}-03-01", 2018 + dice.roll(6)),
            "user_count": 5 + dice.roll(500)},
        "may_be_named": dice.roll(2) == 0, "declares_no_interest": true,
    }))
}

/// How many reviews a solution has: five on average.
pub fn review_count(number: usize) -> usize {
    let dice = &mut Dice::new(6, number);
    dice.roll(6) + dice.roll(6)
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("what is invented fits the document")
}
