package demo

// Exchange is one question that no fact answers, with the replies that fit.
type Exchange struct {
	Kind     string // "greeting", "thanks", … or the domain of a refusal
	Question string
	Answers  []string
}

// talk is one row of the small-talk table.
type talk struct {
	kind           string
	train, heldout []string
	answers        []string
}

// SmallTalk returns the small talk of one group. Only Train and Heldout have
// any; for the other groups it returns nil.
func SmallTalk(group Group) []Exchange {
	var out []Exchange
	for _, t := range talks {
		questions := t.train
		if group == Heldout {
			questions = t.heldout
		} else if group != Train {
			return nil
		}
		for i, q := range questions {
			out = append(out, Exchange{t.kind, style(i % 3).dress(q), t.answers})
		}
	}
	return out
}

var talks = []talk{
	{"greeting",
		list("hi|hello|hey|hi there|hello there|good morning|good afternoon|good evening|hey team|greetings|hello support|morning|hi everyone|dear team|hello again|hey there"),
		list("hello team|hi again|good day|hey you|hi support"),
		list("Hello! How can I help you today?|Hi, welcome to Fernridge Outfitters. How can I help?|Welcome to Fernridge Outfitters! What can I do for you?")},
	{"thanks",
		list("thanks|thank you|thank you very much|thanks a lot|many thanks|great, thanks|that helps, thank you|perfect, thanks|ok thank you|thanks for your help|cool, thank you|thanks in advance|thank you so much for the answer|wonderful, thank you"),
		list("thanks so much|great, thank you|ok thanks|thank you for your help"),
		list("You are welcome!|You are welcome. Enjoy the outdoors!|Happy to help!|My pleasure. Have a good trip!")},
	{"goodbye",
		list("bye|goodbye|see you|see you later|bye bye|have a nice day|good night|that is all, bye|take care|until next time|ok bye|goodbye and thanks|i have to go, bye|see you soon"),
		list("bye for now|ok goodbye|have a good day|see you next time"),
		list("Goodbye and happy trails!|Bye! Have a good trip.|Goodbye! Come back any time.|See you soon at Fernridge Outfitters!")},
	{"who",
		list("who are you|what are you|what is your name|are you a robot|are you a human|am i talking to a person|who am i talking to|are you a bot|what is this chat|tell me who you are|introduce yourself|is this a real person|do you have a name"),
		list("who is this|are you a machine|am i talking to a bot|tell me your name"),
		list("I am the support desk of Fernridge Outfitters.|I am the virtual assistant of Fernridge Outfitters.|This is the support desk of Fernridge Outfitters, an outdoor shop.")},
	{"howareyou",
		list("how are you|how are you doing|how is it going|how do you do|are you well|how are things|hi, how are you today|how was your day|what's up|all good with you"),
		list("how are you today|hello, how is it going|are you doing well"),
		list("I am doing well, thank you. How can I help?|Very well, thanks! What can I do for you?|All good here. How can I help you?")},
	{"help",
		list("can you help me|i need help|help|i have a question|can i ask you something|could you help me please|what can you do|how can you help me|i need some information|what can i ask you|may i ask a question|i would like some help|what do you know|what topics do you know|may i ask something|would you mind helping me|i want to learn about your shop"),
		list("could you help me|i have some questions|may i ask you something|what can you help me with"),
		list("Of course. Ask me about shipping, returns, rentals, repairs or our products.|Sure, what would you like to know?|Gladly! What is your question?")},
	{"praise",
		list("you are great|i love your shop|nice shop|you are very helpful|good job|your store is wonderful|i like your service|you are awesome|great service|what a helpful answer|well done"),
		list("you are helpful|i love your store|nice service"),
		list("Thank you, that is kind of you!|Thanks, we are glad to hear that!|How nice of you, thank you!")},
	{"sorry",
		list("that is wrong|this is not right|i do not like this answer|you are not helpful|i am angry|this is bad service|i am not happy|your answer is wrong|that did not help|i want to complain|i am disappointed"),
		list("this answer is wrong|you did not help me|i am unhappy"),
		list("I am sorry about that. Please tell me what is wrong.|Sorry! Please tell me more and I will try again.|I apologize. What can I do better?")},
}
