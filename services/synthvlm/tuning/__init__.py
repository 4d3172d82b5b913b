"""Generation parameters by grid search; ``run`` is the whole search.

``grid`` lists the combinations, ``captions`` draws the captions that all of them synthesise,
``search`` measures one after the other, ``comparison`` chooses, and ``write`` writes the result.
"""
