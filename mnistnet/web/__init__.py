"""A page to draw a digit on, watch the network think, tell it what was meant, and teach it (the extra `demo`).

    exhibit.py      what is shown: a network, the names of its classes, the images to show and to learn from
    thinking.py     both passes over one picture, as data for the page
    teaching.py     gradient steps in a visitor's own copy of the network
    sessions.py     those copies, bounded in number and age
    messages.py     the requests that the page may send, as types
    server.py       HTTP around it all, and who is let in
    connections.py  how many may speak to it at once, for how long, and how much they may send
    static/         the page: one HTML, one CSS and one JavaScript file, without a build step

The numbers are those of `mnistnet explain`: all come from `Network.forward` and `Network.backward`.
"""
