"""What the pages of the store desk say, in English and French."""

from collections.abc import Mapping

LANGUAGES = ("en", "fr")

_TEXTS: Mapping[str, tuple[str, str]] = {
    "title": ("Store desk", "Comptoir"),
    "place": ("Location", "Établissement"),
    "name": ("Name", "Nom"),
    "password": ("Password", "Mot de passe"),
    "sign_in": ("Sign in", "Se connecter"),
    "sign_out": ("Sign out", "Se déconnecter"),
    "signed_out": ("You are signed out.", "Vous êtes déconnecté."),
    "wrong_sign_in": ("Location, name or password are wrong.", "Établissement, nom ou mot de passe incorrect."),
    "too_many": (
        "Too many wrong passwords. Try again in a quarter of an hour.",
        "Trop de mots de passe erronés. Réessayez dans un quart d'heure.",
    ),
    "stale_form": (
        "This page had been open for too long. Please do it again.",
        "Cette page était ouverte depuis trop longtemps. Veuillez recommencer.",
    ),
    "too_long": ("That is too long.", "C'est trop long."),
    "not_understood": ("That is not understood: nothing was done.", "Demande non comprise : rien n'a été fait."),
    "lost": (
        "No answer: nobody knows whether this was done. Load the page again before you repeat it.",
        "Pas de réponse : on ne sait pas si c'est fait. Rechargez la page avant de recommencer.",
    ),
    "lost_scan": (
        "No answer: nobody knows whether this was counted. Load the page again and compare the list:",
        "Pas de réponse : on ne sait pas si c'est compté. Rechargez la page et comparez la liste :",
    ),
    "lost_list": (
        "No answer: this list may be out of date. It is asked for again by itself.",
        "Pas de réponse : cette liste n'est peut-être plus à jour. Nouvel essai automatique.",
    ),
    "urgent_since": ("Urgent since", "Urgent depuis le"),
    "unknown": ("There is no such order here.", "Cette commande n'existe pas ici."),
    "to_queue": ("All orders", "Toutes les commandes"),
    "nothing": ("Nothing to do. Well done!", "Rien à faire. Bravo !"),
    "order": ("Order", "Commande"),
    "units": ("units", "unités"),
    "unit": ("unit", "unité"),
    "ship": ("Parcel", "Colis"),
    "pickup": ("Pickup", "Retrait"),
    "handed_over": ("Taken along", "Emporté"),
    "accept_by": ("accept by", "à accepter avant le"),
    "late": ("overdue", "en retard"),
    "until": ("held until", "gardé jusqu'au"),
    "placed": ("ordered", "commandé"),
    "q_offered": ("Offered: first to accept", "Proposées : au premier qui accepte"),
    "others_one": ("one other store has it too", "un autre magasin l'a aussi"),
    "others": ("other stores have it too", "autres magasins l'ont aussi"),
    "offer_hint": (
        "Whoever accepts first sends it. Accept it only if you know where each article lies.",
        "Le premier qui accepte l'expédie. N'acceptez que si vous savez où se trouve chaque article.",
    ),
    "offer_no": ("We do not send it", "Nous ne l'expédions pas"),
    "we_have": ("we have", "nous avons"),
    "decline": ("Decline", "Refuser"),
    "q_allocated": ("To accept", "À accepter"),
    "q_accepted": ("To pick", "À préparer"),
    "q_picking": ("Being picked", "En préparation"),
    "q_packed_ship": ("To ship", "À expédier"),
    "q_packed_pickup": ("To make ready", "À mettre à disposition"),
    "q_ready_for_pickup": ("Waiting for customers", "En attente du client"),
    "q_put_back": ("Canceled: put the goods back", "Annulées : remettre en rayon"),
    "s_allocated": ("New", "Nouvelle"),
    "s_accepted": ("Accepted", "Acceptée"),
    "s_picking": ("Picking", "Préparation"),
    "s_packed": ("Packed", "Emballée"),
    "s_ready_for_pickup": ("Ready", "Disponible"),
    "s_sent_to_supplier": ("With the supplier", "Chez le fournisseur"),
    "s_shipped": ("Shipped", "Expédiée"),
    "s_handed_over": ("Handed over", "Remise"),
    "s_canceled": ("Canceled", "Annulée"),
    "told_yes": ("customer told", "client prévenu"),
    "told_no": ("customer not told yet", "client à prévenir"),
    "accept": ("Accept", "Accepter"),
    "start_picking": ("Start picking", "Commencer la préparation"),
    "scan": ("Scan or type a GTIN or sku", "Scannez ou saisissez un code article"),
    "count": ("Count", "Compter"),
    "by_hand": ("Count one", "Compter un"),
    "take_out": ("Take one off", "Retirer un"),
    "shelf": ("Shelf", "Rayon"),
    "no_shelf": ("no shelf", "sans rayon"),
    "article": ("Article", "Article"),
    "lot": ("Lot", "Lot"),
    "picked": ("Picked", "Prélevé"),
    "pack": ("Packed", "Emballée"),
    "pack_unscanned": ("Packed, not all scanned", "Emballée sans tout scanner"),
    "slip": ("Packing slip", "Bon de livraison"),
    "print_hint": (
        "Print this page with the browser's own print command.",
        "Imprimez cette page avec la commande d'impression du navigateur.",
    ),
    "ship_it": ("Shipped", "Expédiée"),
    "carrier": ("Carrier", "Transporteur"),
    "tracking": ("Tracking number", "Numéro de suivi"),
    "make_ready": ("Ready for pickup", "Prête au retrait"),
    "told": ("Customer told", "Client prévenu"),
    "code_for_customer": ("Code for the customer", "Code pour le client"),
    "code": ("The customer's code", "Code du client"),
    "takes": ("takes", "emporte"),
    "hand_over": ("Hand over", "Remettre"),
    "return": ("Nobody fetches it: back to sale", "Non retirée : remettre en vente"),
    "put_back": ("Back on the shelf", "Remis en rayon"),
    "problem": ("Something is wrong", "Un problème ?"),
    "reason": ("Reason", "Motif"),
    "can_send": ("we can send", "nous pouvons envoyer"),
    "reject": ("Give up the rest", "Refuser le reste"),
    "reject_hint": (
        "What you cannot send is served from elsewhere at once.",
        "Ce que vous ne pouvez pas envoyer est servi ailleurs aussitôt.",
    ),
    "r_not_found": ("Not found: book as lost, and count", "Introuvable : sortir du stock et compter"),
    "r_damaged": ("Damaged", "Abîmé"),
    "r_no_time": ("No time", "Pas le temps"),
    "r_closed": ("Closed", "Fermé"),
    "r_other": ("Another reason", "Autre motif"),
    "recipient": ("Customer", "Client"),
    "nobody_named": ("No name or address is kept of this order.", "Ni nom ni adresse conservés pour cette commande."),
    "history": ("What happened", "Historique"),
    "the_hub": ("automatic", "automatique"),
    "e_offered": ("offered", "proposée"),
    "e_accepted": ("accepted", "acceptée"),
    "e_rejected": ("given up", "refusée"),
    "e_timed_out": ("not accepted in time", "non acceptée à temps"),
    "e_waits": ("late, and nobody else has it", "en retard, indisponible ailleurs"),
    "e_picking": ("picking began", "préparation commencée"),
    "e_packed": ("packed", "emballée"),
    "e_ready": ("ready for pickup", "prête au retrait"),
    "e_told": ("customer told", "client prévenu"),
    "e_taken": ("another store was faster", "un autre magasin a été plus rapide"),
    "e_lacks": ("the units were gone", "les unités n'y étaient plus"),
    "e_withdrawn": ("not offered any more", "n'est plus proposée"),
    "e_notified": ("the shop knows that it is ready", "la boutique sait qu'elle est prête"),
    "not_notified": (
        "The shop could not be told that it is ready: tell the customer yourself.",
        "La boutique n'a pas pu être prévenue : prévenez le client vous-même.",
    ),
    "e_not_notified": ("the shop could not be told", "la boutique n'a pas pu être prévenue"),
    "e_wrong_code": ("wrong code", "code erroné"),
    "e_shipped": ("shipped", "expédiée"),
    "e_handed_over": ("handed over", "remise"),
    "e_unclaimed": ("back to sale", "remise en vente"),
    "e_reduced": ("canceled in part, units:", "annulée en partie, unités :"),
    "e_canceled": ("canceled here", "annulée ici"),
    "e_put_back": ("back on the shelf", "remise en rayon"),
    "e_replanned": ("planned anew together with other orders", "replanifiée avec d'autres commandes"),
    "w_unscanned": ("not all scanned", "sans tout scanner"),
    "x_state": ("That cannot be done as things stand now.", "Ce n'est pas possible dans l'état actuel."),
    "x_not_here": ("Not in this order, put it back:", "Pas dans cette commande, à remettre en rayon :"),
    "x_all_picked": ("All units are picked already:", "Toutes les unités sont déjà prélevées :"),
    "x_none_picked": ("None is picked:", "Aucune unité prélevée :"),
    "x_extra": ("Too many are picked, put back:", "Trop prélevé, à remettre en rayon :"),
    "x_reduced": (
        "The customer has canceled a part. Check what you have taken against this list.",
        "Le client a annulé une partie. Vérifiez ce que vous avez pris d'après cette liste.",
    ),
    "x_missing": ("Not picked yet:", "Pas encore prélevé :"),
    "x_whole": ("Hand these lines over whole.", "Remettez ces lignes entières."),
    "x_amount": ("That is nothing, or more than there is.", "C'est zéro, ou plus que disponible."),
    "x_taken": (
        "Another store has accepted it first. There is nothing to do for you.",
        "Un autre magasin l'a acceptée avant vous. Vous n'avez rien à faire.",
    ),
    "x_too_late": (
        "The time to accept it is over: it is served from elsewhere.",
        "Le délai pour l'accepter est passé : elle est servie ailleurs.",
    ),
    "x_lacks": (
        "Its units are not yours to send any more: somebody bought them a moment ago.",
        "Vous n'avez plus les unités : quelqu'un vient de les acheter.",
    ),
    "x_withdrawn": ("It is not offered to you any more.", "Elle ne vous est plus proposée."),
    "x_not_served": (
        "Its channel is not served from here now: others do it.",
        "Son canal n'est pas servi d'ici pour le moment : d'autres s'en chargent.",
    ),
    "x_unpaid": ("It waits for its payment.", "Elle attend son paiement."),
    "x_wrong_code": ("This is not the code of this order.", "Ce n'est pas le code de cette commande."),
    "x_locked": (
        "Too many wrong codes. Try again in ten minutes.",
        "Trop de codes erronés. Réessayez dans dix minutes.",
    ),
    "d_done": ("Done.", "C'est fait."),
    "d_before": ("That had been done.", "C'était déjà fait."),
    "d_picked": ("Counted:", "Compté :"),
    "d_gone": ("It is not yours any more: it is served from elsewhere.", "Elle n'est plus à vous : servie ailleurs."),
}

TEXTS: Mapping[str, Mapping[str, str]] = {
    language: {key: texts[position] for key, texts in _TEXTS.items()} for position, language in enumerate(LANGUAGES)
}

_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "fr": ("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."),
}


def month(language: str, number: int) -> str:
    """The short name of a month, 1 to 12."""
    return _MONTHS[language][number - 1]


def wanted(accepted: str) -> str:
    """The first language of an Accept-Language header that the pages speak; English where there is none."""
    ranked: list[tuple[float, int, str]] = []
    for position, part in enumerate(accepted.split(",")):
        tag, _, weight = part.strip().partition(";")
        share = weight.strip().removeprefix("q=")
        try:
            ranked.append((-float(share) if share else -1.0, position, tag.strip()[:2].lower()))
        except ValueError:
            continue
    return next((tag for rank, _, tag in sorted(ranked) if tag in LANGUAGES and rank < 0), "en")
