"""A page to draw a digit on, watch the network think, tell it what was meant, and teach it (the extra `demo`).

    demo_model.py     what is shown: a classifier, and the images to show, to learn from and to be scored on
    views.py          both passes over one picture, as data for the page
    live_training.py  a training that a visitor watches
    fine_tune.py      gradient steps in a visitor's own copy of the network
    sessions.py       what visitors have of their own, bounded in number and age
    messages.py       the requests that the page may send, as types
    server.py         HTTP around it all, its limits, and who is let in
    static/           the page, without a build step

The numbers are those of `mnistnet explain`: all come from `Network.forward` and `Network.backward`.
"""
