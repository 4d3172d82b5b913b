"""Generation parameters by grid search: ``run`` is the whole of it.

``grid`` says which combinations there are, ``captions`` draws what all of them synthesise,
``search`` measures one after the other, ``comparison`` chooses, and ``write`` leaves the result.
"""
