"""Bulk changes of people: started by an administrator, carried out in the background.

    operations   starts, stops and undoes a job
    kinds        what a job does to one person, by the operations for one person
    imports      checks a file of people, and imports some of its rows
    reset_mails  sends people links with which they choose a password
    runner       carries jobs out, one at a time, in one process of all

A job may do what its administrator may, at the moment at which it does it: it stops as soon as they
have lost the right to (R-186), also by a word of their source, which is asked meanwhile (R-259).
"""
