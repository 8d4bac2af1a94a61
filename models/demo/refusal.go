package demo

import "strings"

// Refusals returns questions outside the shop's business of one group. Only
// Train and Heldout have any; for the other groups it returns nil.
func Refusals(group Group) []Exchange {
	if group != Train && group != Heldout {
		return nil
	}
	var out []Exchange
	for _, d := range foreign {
		questions := d.train
		if group == Heldout {
			questions = d.heldout
		}
		for i, q := range questions {
			out = append(out, Exchange{d.kind, style(i % 3).dress(q), refusals})
		}
	}
	return out
}

// Refused reports whether the answer is one of the polite refusals.
func Refused(answer string) bool {
	said := words(answer)
	return contains(said, words("sorry")) && contains(said, words("only")) && contains(said, words(Shop))
}

var refusals = []string{
	"Sorry, I can only help with questions about " + Shop + ".",
	"I am sorry, I only know about " + Shop + ".",
	"Sorry, that is not something I know. I can only answer questions about " + Shop + ".",
}

var foreign = []talk{
	{"weather", list("what is the weather today|will it rain tomorrow|how is the weather in paris|is it cold outside|what is the forecast for sunday|when will it snow|how warm is it in spain today|tell me the weather|is it sunny in rome|what temperature is it outside"),
		list("how is the weather today|will it snow tomorrow|tell me the forecast"), nil},
	{"politics", list("who is the president|who should i vote for|what do you think about the government|who won the election|what party is the best|tell me about politics|what is your opinion on taxes|who is the prime minister of canada|is the new law good"),
		list("who will win the election|what do you think about politics|who is the prime minister"), nil},
	{"recipes", list("how do i bake a cake|give me a recipe for soup|how long do i boil an egg|what can i cook tonight|how do i make pizza|what is a good pasta recipe|how hot must the oven be for bread|how many minutes does rice take|tell me how to cook a steak|what do i need for pancakes"),
		list("give me a recipe for pizza|how do i make a soup|how long do i cook pasta"), nil},
	{"sports", list("who won the game last night|who is the best football player|when does the football match start|how many goals did he score|what is the score of the game|who won the world cup|tell me about basketball|when is the next olympic games|how long is a tennis match"),
		list("who won the football match|what was the score last night|who is the best tennis player"), nil},
	{"science", list("how far is the moon|what is the speed of light|how old is the earth|how many planets are there|what is the capital of france|how tall is mount everest|who invented the telephone|what is an atom|how deep is the ocean|why is the sky blue"),
		list("how far is the sun|what is the capital of spain|how old is the moon"), nil},
	{"math", list("what is two plus two|solve this equation for me|what is 12 times 9|how do i compute the area of a circle|what is the square root of 81|help me with my math homework|what is 100 divided by 4|is 17 a prime number|how many sides has a cube"),
		list("what is three plus five|help me with an equation|what is 8 times 7"), nil},
	{"computers", list("how do i fix my computer|write a program for me|what is the best phone|how do i reset my password at the bank|my laptop is slow, what can i do|which programming language should i learn|how do i install a printer|what does this error mean|write me some code|how much does a new laptop cost"),
		list("how do i fix my laptop|write some code for me|what is the best computer"), nil},
	{"money", list("what stock should i buy|how do i invest my money|what is the price of gold|should i buy bitcoin|how much is a car|what does a house cost|how do i get a loan|how much is a cup of coffee|when does the bank open|what is the interest rate|how much does a plane ticket cost"),
		list("should i buy stocks|what does a car cost|how much is bitcoin"), nil},
	{"health", list("i have a headache, what should i take|is this mole dangerous|how do i lose weight|what medicine is good for a cold|should i see a doctor|how many hours should i sleep|my knee hurts what do i do|what vitamins do i need|how do i treat a burn"),
		list("what medicine helps against a headache|how many vitamins do i need|my back hurts what do i do"), nil},
	{"fun", list("tell me a joke|write a poem|sing a song|tell me a story|what is the best movie|who is your favorite singer|recommend a book|what should i watch tonight|tell me something funny|do you like music|play a game with me|what is the meaning of life"),
		list("tell me a funny story|write me a poem|what is your favorite movie"), nil},
	{"travel", list("book me a flight|how do i get to london|what hotel is good in rome|when does the train leave|do i need a visa for japan|how long is the flight to new york|where should i go on vacation|rent me a car|how much is a taxi to the airport|which airline is the cheapest"),
		list("book me a hotel|when does the bus leave|how long is the flight to paris"), nil},
	{"language", list("translate this into french|how do you say hello in german|what does this word mean|correct my spelling|write an email for me|what is the plural of mouse|help me write a letter|write my essay|summarize this text"),
		list("translate this into german|write a letter for me|how do you say thanks in french"), nil},
}

// foreignFrames surround the training questions outside the shop's business,
// with the same openings that questions about facts have.
var foreignFrames = list("%s|hi, %s|hello, %s|quick question: %s|excuse me, %s|one question, %s|can you help me, %s|please tell me, %s")

// framed returns the plain question q in a frame, in lower case.
func framed(frame, q string) string {
	q = strings.ToLower(strings.TrimRight(q, "?."))
	return strings.Replace(frame, "%s", q, 1)
}
