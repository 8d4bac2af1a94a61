package continual

// railway is the information desk of a railway, in German.
func railway() Domain {
	return Domain{
		Name: "railway", Says: "information desk of a railway, German",
		subjects: list("Bremen|Kassel|Mainz|Trier|Ulm|Jena|Halle|Bonn|Erfurt|Worms|Fulda|Passau|" +
			"Celle|Gera|Hagen|Kiel|Emden|Lindau|Minden|Neuss|Siegen|Speyer|Weimar|Zwickau"),
		attributes: []attribute{
			{
				name:   "Abfahrt",
				values: list("6.15 Uhr|7.40 Uhr|8.05 Uhr|9.30 Uhr|10.20 Uhr|11.55 Uhr|13.10 Uhr|14.45 Uhr|16.25 Uhr|17.50 Uhr"),
				asks: [splits][]string{
					list("wann fährt der Zug nach {s} ab|um wie viel Uhr fährt der Zug nach {s}|wann ist die Abfahrt nach {s}|" +
						"die Abfahrt nach {s}|wann geht der Zug nach {s}|Abfahrt des Zuges nach {s}"),
					list("um wie viel Uhr ist die Abfahrt nach {s}|wann fährt ein Zug nach {s}"),
					list("wann fährt der Zug nach {s}|um wie viel Uhr geht der Zug nach {s}|wann ist Abfahrt des Zuges nach {s}"),
				},
				answer: "Der Zug nach {s} fährt um {v}.",
			},
			{
				name:   "Gleis",
				values: list("Gleis 1|Gleis 2|Gleis 3|Gleis 4|Gleis 5|Gleis 6|Gleis 7|Gleis 8|Gleis 9|Gleis 10"),
				asks: [splits][]string{
					list("von welchem Gleis fährt der Zug nach {s}|an welchem Gleis steht der Zug nach {s}|welches Gleis hat der Zug nach {s}|" +
						"das Gleis nach {s}|auf welchem Gleis ist der Zug nach {s}|Gleis des Zuges nach {s}"),
					list("welches Gleis ist es nach {s}|an welchem Gleis fährt der Zug nach {s}"),
					list("von welchem Gleis geht der Zug nach {s}|auf welchem Gleis steht der Zug nach {s}|welches Gleis nach {s}"),
				},
				answer: "Nach {s} geht es von {v}.",
			},
			{
				name:   "Preis",
				values: list("9 Euro|15 Euro|21 Euro|28 Euro|33 Euro|39 Euro|47 Euro|52 Euro|64 Euro|78 Euro"),
				asks: [splits][]string{
					list("was kostet die Fahrt nach {s}|wie teuer ist die Karte nach {s}|was ist der Preis nach {s}|" +
						"der Preis nach {s}|was kostet eine Karte nach {s}|Preis einer Fahrt nach {s}"),
					list("was ist der Preis einer Karte nach {s}|wie teuer ist es nach {s}"),
					list("was kostet die Karte nach {s}|wie teuer ist eine Fahrt nach {s}|der Preis der Fahrt nach {s}"),
				},
				answer: "Die Karte nach {s} kostet {v}.",
			},
			{
				name:   "Dauer",
				values: list("25 Minuten|35 Minuten|50 Minuten|65 Minuten|80 Minuten|95 Minuten|110 Minuten|2 Stunden|3 Stunden|4 Stunden"),
				asks: [splits][]string{
					list("wie lange dauert die Fahrt nach {s}|wie lange fährt der Zug nach {s}|was ist die Dauer der Fahrt nach {s}|" +
						"die Dauer nach {s}|wie lange braucht der Zug nach {s}|Dauer einer Fahrt nach {s}"),
					list("wie lange dauert es nach {s}|wie lange fährt man nach {s}"),
					list("wie lange dauert eine Fahrt nach {s}|wie lange braucht man nach {s}|was ist die Dauer nach {s}"),
				},
				answer: "Die Fahrt nach {s} dauert {v}.",
			},
		},
		frames: [splits][]string{
			list("{q}|{q}?|Guten Tag, {q}?|Hallo, {q}|Bitte, {q}?|{q}, bitte|Entschuldigung, {q}?"),
			list("Guten Morgen, {q}?|Eine Frage: {q}"),
			list("Hallo, bitte, {q}?|{q}, danke|Guten Abend, {q}"),
		},
	}
}
